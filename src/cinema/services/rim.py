"""Stand around a service as plain ASGI: identity of the request, form of its path, log line, metrics.

A request passes here once on its way in and once on its way out. What is decided here is the same for
every route: the trailing slash, HEAD, the bound on a body, `X-Request-ID`, and who is told of it.
"""

import logging
import random
from collections.abc import Sequence
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stagedoor import context
from stagedoor.clock import Clock
from stagedoor.context import RequestContext
from stagedoor.problems import Problem
from stagedoor.web.routes import UNMATCHED
from stagedoor.web.trace import identify
from stagedoor.web.traffic import Traffic, tell_refused

__all__ = ["BODY_BYTES", "TO_HEAD", "Rim"]

BODY_BYTES = 2 * 1024 * 1024  # a full product batch of the longest ids, every character escaped
TO_HEAD = "cinema.to_head"  # in the scope of a GET that was a HEAD: what is streamed need not be read
_LOGGER = logging.getLogger("cinema.services")
_RANDOM = random.Random()  # noqa: S311 - ids must be unlike one another, not unguessable
_CLIENT_CLOSED = 499  # nobody reads it; it is for the metrics and the log
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Rim:
    """Wrap a service's application."""

    def __init__(
        self, app: ASGIApp, traffic: Sequence[Traffic], clock: Clock, body_bytes: int = BODY_BYTES
    ) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._traffic = traffic
        self._now = clock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the server's start and stop on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passing = _Passing(scope, receive, send, self._body_bytes)
        if passing.scope["path"] == "/metrics":
            await self._answer(passing)
        else:
            await self._counted(passing)

    def refused(self, problem: Problem, request_id: str) -> None:
        """Count a request that the door turned away before it came here."""
        tell_refused(self._traffic, problem, request_id)

    async def _counted(self, passing: "_Passing") -> None:
        started = self._now()
        for sink in self._traffic:
            sink.request_started()
        try:
            await self._answer(passing)
        finally:
            seconds, status = self._now() - started, passing.status or _CLIENT_CLOSED
            for sink in self._traffic:
                sink.request_ended(
                    passing.method, passing.route, status, seconds, passing.request_id, passing.trace_id
                )

    async def _answer(self, passing: "_Passing") -> None:
        token = context.enter(passing.context)
        try:
            await self._app(passing.scope, passing.receive, passing.send)
        except Exception as error:
            _LOGGER.error("%s failed", passing.route, exc_info=error)  # noqa: TRY400 - told by its places, not its text
            if not passing.ended:  # the server cuts the connection: half an answer must not look whole
                raise
        finally:
            context.leave(token)


class _Passing:
    """One request on its way through."""

    __slots__ = (
        "_most",
        "_receive",
        "_received",
        "_send",
        "context",
        "ended",
        "method",
        "request_id",
        "scope",
        "status",
        "trace_id",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        fields = scope["headers"]
        self.request_id, trace = identify(dict(fields), fields, _RANDOM.randbytes(40))
        self.trace_id = trace.trace_id.decode()
        self.context = RequestContext(request_id=self.request_id, forward=((b"traceparent", trace.parent),))
        self.method: str = scope["method"]
        self.status = 0
        self.ended = False
        self.scope = _normalised(scope)
        self.scope["request_id"] = self.request_id
        self._receive = receive
        self._received = 0
        self._most = most
        self._send = send

    @property
    def route(self) -> str:
        """Return the template of the route that was found."""
        return getattr(self.scope.get("route"), "path_format", UNMATCHED)

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            raise HTTPException(413, f"the body must be at most {self._most} bytes")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.request_id.encode()),
                _NOSNIFF,
            ]
        else:
            self.ended = not message.get("more_body", False)
            if self.method == "HEAD":
                message = {**message, "body": b""}
        await self._send(message)


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
