"""Attempts as spans: each one that goes out is told with its name, its server and how it ended.

Names are those of the semantic conventions for HTTP clients. What a request says (its target, query, fields, body) is
not told: any of it may hold a secret (T15).
"""

from collections.abc import Callable
from typing import Any, TypeVar

from stagedoor import _context as context
from stagedoor._call import Call, Transport
from stagedoor._capabilities import Addressed
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._tracing import METHODS, OTHER_METHOD, SpanScope, Tracer

__all__ = ["traced"]

P = TypeVar("P")
R = TypeVar("R")


def traced(transport: Transport[P, Any], read: Callable[[Call[P], Any], R] | None, tracer: Tracer) -> Any:  # noqa: ANN401 - a transport, as far as its attempts go
    """Return what sends, and reads the answer, as a span for each attempt that a sampled request makes."""
    return _Traced(transport, read, tracer)


class _Traced:
    """The attempts of a transport."""

    __slots__ = ("_read", "_send", "_server", "_tracer")

    def __init__(self, transport: Transport[Any, Any], read: Any, tracer: Tracer) -> None:  # noqa: ANN401
        self._send = transport.send
        self._read = read
        self._server = _server_of(transport)
        self._tracer = tracer

    async def send(self, call: Call[Any], /) -> Any:  # noqa: ANN401 - whatever is read
        """Make an attempt, and read what it brings."""
        name, told = _told(call, context.current().attempt)
        with SpanScope(self._tracer, name, "client", {**told, **self._server}) as within:
            said = await self._send(call)
            if isinstance(said, HttpResponse):
                within.note("http.response.status_code", said.status)
            return said if self._read is None else self._read(call, said)


def _server_of(transport: Transport[Any, Any]) -> dict[str, str | int]:
    if not isinstance(transport, Addressed):
        return {}
    host, port = transport.address
    return {"server.address": host, "server.port": port} if port else {"server.address": host}


def _told(call: Call[Any], first: int) -> tuple[str, dict[str, str | int]]:
    """Return the name of an attempt's span and what is known of it; `first` is the number of the first attempt."""
    upstream, _, operation = call.operation.partition(".")
    told: dict[str, str | int] = {"stagedoor.upstream": upstream}
    if call.attempt > first:
        told["http.request.resend_count"] = call.attempt - first
    if not isinstance(call.payload, HttpRequest):
        return call.operation, told
    method = call.payload.method
    told["http.request.method"] = method if method in METHODS else OTHER_METHOD
    verb, _, template = operation.partition(" ")
    if verb != method or not template:
        return method if method in METHODS else "HTTP", told
    told["url.template"] = template = template.partition("?")[0]
    return f"{method} {template}", told
