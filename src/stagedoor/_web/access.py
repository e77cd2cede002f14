"""What every application does with each request: settle its id, tell who counts and logs, sign the answer."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, Protocol, TypeAlias, runtime_checkable

from stagedoor._asgi import Receive, Scope, Send
from stagedoor._problems import ProblemDetails, cause_of, problem_of
from stagedoor._web.routes import UNMATCHED
from stagedoor._web.trace import identify

__all__ = [
    "CLIENT_CLOSED",
    "AccessObserver",
    "ActiveRequest",
    "Preparing",
    "RequestCounter",
    "Told",
    "signed",
]

Told: TypeAlias = Callable[[float, str, str], None]  # seconds, request id, trace id

CLIENT_CLOSED: Final = 499  # nobody reads it; it is for the metrics and the log
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")


class AccessObserver(Protocol):
    """Who is told of each counted request: metrics and the access log."""

    def request_started(self) -> None:
        """Note that a request is under way."""

    def request_ended(
        self,
        method: str,
        endpoint: str,
        status: int,
        seconds: float,
        request_id: str,
        trace_id: str,
        cause: str = "",
        span_id: str = "",
    ) -> None:
        """Note that it ended; `endpoint` is the route's template or "unmatched", `cause` is why it is a 5xx."""


@runtime_checkable
class Preparing(Protocol):
    """Who is told of requests and can get ready for many of one kind."""

    def prepared(self, method: str, endpoint: str, status: int, cause: str = "") -> Told:
        """Return what does for one request what `request_started` and `request_ended` do together."""
        ...


class ActiveRequest:
    """One request that is being answered: who it is, where it goes, and how it ended.

    `endpoint` is the template of its route, `status` that of its answer: 0 as long as there is none. `cause` says why
    it is a 5xx: the service and what is wrong with it, as in "users: circuit_open", or the kind of the problem.
    """

    __slots__ = (
        "cause",
        "endpoint",
        "headers",
        "receive",
        "request_id",
        "scope",
        "send",
        "started",
        "status",
        "trace",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, endpoint: str, started: float, entropy: bytes
    ) -> None:
        fields = scope["headers"]
        self.scope = scope
        self.receive = receive
        self.send = send
        self.endpoint = endpoint
        self.started = started
        self.status = 0
        self.cause = ""
        self.headers: dict[bytes, bytes] = dict(fields)
        self.request_id, self.trace = identify(self.headers, fields, entropy)

    def sign(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Add the fields that every answer carries."""
        signed(fields, self.request_id.encode())


def signed(fields: list[tuple[bytes, bytes]], request_id: bytes) -> None:
    """Add the fields that every answer carries."""
    fields.append((b"x-request-id", request_id))
    if _NOSNIFF not in fields:
        fields.append(_NOSNIFF)


class RequestCounter:
    """Tells of each request once, whatever happens; `active` are under way."""

    __slots__ = ("_now", "_traffic", "active")

    def __init__(self, traffic: Iterable[AccessObserver], now: Callable[[], float]) -> None:
        self._traffic = tuple(traffic)
        self._now = now
        self.active = 0

    async def count(self, request: ActiveRequest, answering: Awaitable[None]) -> None:
        """Wait until a request is answered, and tell how it ended; without a status or an error its client has gone."""
        self.active += 1
        for sink in self._traffic:
            sink.request_started()
        try:
            await answering
        except (Exception, BaseExceptionGroup) as error:
            if not request.status:  # whoever serves cuts it, or answers in its place
                problem = problem_of(error)
                request.status, request.cause = problem.status, cause_of(problem, error, {})
            raise
        finally:
            self.active -= 1
            seconds, status = self._now() - request.started, request.status or CLIENT_CLOSED
            method, trace = request.scope["method"], request.trace.parent.decode()
            trace_id, span_id, endpoint = trace[3:35], trace[36:52], request.endpoint
            for sink in self._traffic:
                sink.request_ended(
                    method, endpoint, status, seconds, request.request_id, trace_id, request.cause, span_id
                )

    def refused(self, problem: ProblemDetails, request_id: str) -> None:
        """Count a request that the door turned away before any application saw it."""
        for sink in self._traffic:
            sink.request_started()
            cause = problem.kind if problem.status >= 500 else ""
            sink.request_ended("OTHER", UNMATCHED, problem.status, 0.0, request_id, "", cause)

    def prepared(self, method: str, endpoint: str, status: int, cause: str = "") -> Told:
        """Return what tells of one request of this kind that began and ended at once."""
        each = tuple([_prepared(sink, method, endpoint, status, cause) for sink in self._traffic])
        if len(each) == 1:
            return each[0]

        def tell(seconds: float, request_id: str, trace_id: str) -> None:
            for told in each:
                told(seconds, request_id, trace_id)

        return tell


def _prepared(sink: AccessObserver, method: str, endpoint: str, status: int, cause: str) -> Told:
    if isinstance(sink, Preparing):
        return sink.prepared(method, endpoint, status, cause)
    return partial(_tell, sink, method, endpoint, status, cause)


def _tell(
    sink: AccessObserver,
    method: str,
    endpoint: str,
    status: int,
    cause: str,
    seconds: float,
    request_id: str,
    trace_id: str,
) -> None:
    sink.request_started()
    sink.request_ended(method, endpoint, status, seconds, request_id, trace_id, cause)
