"""Spans, as those see them who are within one: a name for others to continue, and how it ended (OpenTelemetry).

Who makes spans stands in `Env.tracer`; where nobody does, nothing of this is called. A span is known by its
`traceparent`, which stands in the `forward` of all that happens within it: so a call goes out under the span that made
it, and a line in the log finds it. The request's flag decides for all: what is not sampled makes no further spans.
"""

import asyncio
from collections.abc import Mapping
from contextvars import Token
from dataclasses import replace
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias

from stagedoor import _context as context
from stagedoor._context import RequestContext
from stagedoor._deadline import is_late
from stagedoor._requests import Headers
from stagedoor.errors import UpstreamError

__all__ = ["METHODS", "OTHER_METHOD", "Attributes", "Span", "SpanKind", "SpanScope", "Tracer"]

SpanKind: TypeAlias = Literal["server", "internal", "client"]
Attributes: TypeAlias = Mapping[str, str | int]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER_METHOD = "_OTHER"  # the semantic conventions' word for all further ones
_PARENT = b"traceparent"
_TRACE = frozenset({_PARENT, b"tracestate"})


class Span(Protocol):
    """Something that takes time, while it is under way. No method raises."""

    @property
    def parent(self) -> bytes:
        """The `traceparent` under which others continue."""
        ...

    def rename(self, name: str, /) -> None:
        """Give it the name that is known by now."""

    def note(self, name: str, value: str | int, /) -> None:
        """Note a fact."""

    def end(self, error: str = "", /, *, fault: bool = True) -> None:
        """End it; `error` is the kind of what went wrong, which need not be anybody's fault."""


class Tracer(Protocol):
    """Who makes spans. No method raises."""

    @property
    def propagates(self) -> bool:
        """Whether traces come in and go on with requests."""
        ...

    def start(self, name: str, kind: SpanKind, fields: Headers, attributes: Attributes, /) -> Span:
        """Begin a span under the one that `traceparent` in these fields names; without one, begin a trace."""
        ...


class SpanScope:
    """Be within a new span: what is asked there is asked under it, and how the block ends is noted.

    Nothing is told where the request is not sampled. The kind of an error is its status where a server said one, else
    a word of `errors.Reason`, else its type.
    """

    __slots__ = ("_goes_on", "_span", "_token")

    def __init__(self, tracer: Tracer, name: str, kind: SpanKind, attributes: Attributes) -> None:
        self._goes_on = kind != "client" or tracer.propagates
        self._token: Token[RequestContext] | None = None
        asked = context.current()
        self._span = tracer.start(name, kind, asked.forward, attributes) if _sampled(asked.forward) else None

    def __enter__(self) -> Self:
        asked = context.current()
        if not self._goes_on:
            fields = tuple([one for one in asked.forward if one[0] not in _TRACE])
        elif self._span is None:
            return self
        else:
            fields = _under(asked.forward, self._span.parent)
        self._token = context.enter(replace(asked, forward=fields, parent=None))
        return self

    def note(self, name: str, value: str | int) -> None:
        """Note a fact."""
        if self._span is not None:
            self._span.note(name, value)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            context.leave(self._token)
        if self._span is not None:
            _end(self._span, error)


def _end(span: Span, error: BaseException | None) -> None:
    if error is None:
        span.end()
    elif isinstance(error, UpstreamError):
        status = 0 if error.response is None else error.response.status
        if status:
            span.note("http.response.status_code", status)
        span.end(str(status) if status >= 400 else error.reason)
    elif isinstance(error, asyncio.CancelledError):
        late = is_late(error)
        span.end("timeout" if late else "cancelled", fault=late)
    else:
        span.end(type(error).__name__)


def _sampled(fields: Headers) -> bool:
    """Tell whether fields carry the trace of a request that is sampled; those of ours have version 00."""
    parent = next((said for name, said in fields if name == _PARENT), b"")
    return bool(parent) and int(parent[53:55], 16) & 1 == 1


def _under(fields: Headers, parent: bytes) -> Headers:
    return tuple([(name, parent if name == _PARENT else said) for name, said in fields])
