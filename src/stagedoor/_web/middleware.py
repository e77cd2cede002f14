"""What the kit's gateways do with every request, round an ASGI application that is not the kit's.

A request passes here once on its way in and once on its way out. What is decided is the same for every route: request
id and trace, the trailing slash, HEAD, the bound on a body, and who is told of it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from stagedoor import _context as context
from stagedoor._asgi import Application, Message, Receive, Scope, Send
from stagedoor._clock import Clock
from stagedoor._context import RequestContext
from stagedoor._ids import randbytes
from stagedoor._problems import ProblemDetails
from stagedoor._requests import Headers
from stagedoor._tracing import Tracer
from stagedoor._web.access import AccessObserver, ActiveRequest, RequestCounter
from stagedoor._web.routes import UNMATCHED
from stagedoor._web.spans import spanned

__all__ = ["CAUSE", "TO_HEAD", "Framework", "RequestMiddleware"]

CAUSE = "stagedoor.cause"  # in the scope of a request that was answered 5xx: why
TO_HEAD = "stagedoor.to_head"  # in the scope of a GET that was a HEAD: what is streamed need not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """How an application of a foreign framework is asked and answered.

    `endpoint` reads the template of the route from a scope that was served, "" for none. `too_large` makes what the
    framework answers with 413, given the bound in bytes. What goes to `uncounted` paths is told to nobody.
    """

    endpoint: Callable[[Scope], str]
    too_large: Callable[[int], Exception]
    body_bytes: int
    logger: logging.Logger
    uncounted: frozenset[str] = frozenset()


class RequestMiddleware:
    """Stand round an application."""

    __slots__ = ("_app", "_count", "_counter", "_framework", "_now")

    def __init__(
        self,
        app: Application,
        framework: Framework,
        traffic: Sequence[AccessObserver],
        clock: Clock,
        tracer: Tracer | None = None,
    ) -> None:
        self._app = app
        self._framework = framework
        self._counter = RequestCounter(traffic, clock.now)
        self._count = spanned(self._counter.count, tracer)
        self._now = clock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the server's start and stop on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = ActiveRequest(scope, receive, send, UNMATCHED, self._now(), randbytes(40))
        passing = _WrappedRequest(request, self._framework)
        answering = self._answered(passing)
        if passing.scope["path"] in self._framework.uncounted:
            await answering
        else:
            await self._count(request, answering)

    def refused(self, problem: ProblemDetails, request_id: str) -> None:
        """Count a request that the door turned away before it came here."""
        self._counter.refused(problem, request_id)

    async def _answered(self, passing: "_WrappedRequest") -> None:
        request, framework = passing.request, self._framework
        forward: Headers = ((b"traceparent", request.trace.parent),)
        if request.trace.state:
            forward += ((b"tracestate", request.trace.state),)
        token = context.enter(RequestContext(request_id=request.request_id, forward=forward))
        try:
            await self._app(passing.scope, passing.receive, passing.send)
        except Exception as error:
            endpoint = framework.endpoint(passing.scope) or UNMATCHED
            framework.logger.error("%s failed", endpoint, exc_info=error)  # noqa: TRY400 - told by its places, not its text
            if not passing.ended:  # the server cuts the connection: half an answer must not look whole
                raise
        finally:
            request.endpoint = framework.endpoint(passing.scope) or UNMATCHED
            request.cause = passing.scope.get(CAUSE, "")
            context.leave(token)


class _WrappedRequest:
    """One request on its way through."""

    __slots__ = ("_framework", "_received", "ended", "request", "scope")

    def __init__(self, request: ActiveRequest, framework: Framework) -> None:
        self.request = request
        self.scope = _normalised(request.scope)
        self.scope["request_id"] = request.request_id
        self.ended = False
        self._framework = framework
        self._received = 0

    async def receive(self) -> Message:
        message = await self.request.receive()
        self._received += len(message.get("body", b""))
        if self._received > self._framework.body_bytes:
            raise self._framework.too_large(self._framework.body_bytes)
        return message

    async def send(self, message: Message) -> None:
        request = self.request
        if message["type"] == "http.response.start":
            request.status = message["status"]
            message["headers"] = fields = [*message["headers"]]
            request.sign(fields)
        else:
            self.ended = not message.get("more_body", False)
            if request.scope["method"] == "HEAD":
                message = {**message, "body": b""}
        await request.send(message)


def _normalised(scope: Scope) -> Scope:
    """Return a copy whose HEAD is a GET and whose path is decoded and has no final slash.

    The raw path decides about the slash: an encoded one at the end belongs to an id.
    """
    scope = dict(scope)
    if scope["method"] == "HEAD":
        scope["method"] = "GET"
        scope[TO_HEAD] = True
    raw: bytes = scope["raw_path"]
    if len(raw) > 1 and raw.endswith(b"/"):
        raw = raw[:-1]
    scope["raw_path"] = raw
    scope["path"] = unquote(raw.decode("ascii"))  # the door leaves an encoded slash as it is
    return scope
