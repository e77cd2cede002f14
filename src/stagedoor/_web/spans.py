"""Requests as spans, by the names of the semantic conventions for HTTP servers.

What a client says of itself or asks for is not told: no path but the route's template, no query, field or body, no
address (T15). Routes that are not counted make no spans.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from stagedoor._requests import Headers
from stagedoor._tracing import METHODS, OTHER_METHOD, Attributes, Span, Tracer
from stagedoor._web.access import ActiveRequest
from stagedoor._web.routes import UNMATCHED
from stagedoor._web.trace import Trace

__all__ = ["Counting", "spanned"]

Counting: TypeAlias = Callable[[ActiveRequest, Awaitable[None]], Awaitable[None]]
_SCHEMES = frozenset({"http", "https"})
_VERSIONS = {"1.0": "1.0", "1.1": "1.1", "2": "2", "2.0": "2", "3": "3"}


def spanned(count: Counting, tracer: Tracer | None) -> Counting:
    """Return what counts requests, as a span each where there is a tracer."""
    if tracer is None:
        return count

    async def counting(request: ActiveRequest, answering: Awaitable[None]) -> None:
        span, error = _begun(tracer, request), ""
        try:
            await count(request, answering)
        except Exception as failure:
            error = type(failure).__name__
            raise
        finally:
            _end(span, request, error)

    return counting


def _begun(tracer: Tracer, request: ActiveRequest) -> Span:
    """Begin the span of a request, and let all that follows happen under it."""
    trace, method = request.trace, request.scope["method"]
    fields: Headers = ()
    if trace.caller and tracer.propagates:
        fields = ((b"traceparent", b"%b%b%b" % (trace.parent[:36], trace.caller, trace.parent[52:])),)
        if trace.state:
            fields += ((b"tracestate", trace.state),)
    span = tracer.start(_name(method), "server", fields, _known(request))
    state = trace.state if tracer.propagates else b""
    request.trace = Trace(span.parent[3:35], span.parent, state, trace.caller)
    return span


def _known(request: ActiveRequest) -> Attributes:
    scope, method = request.scope, request.scope["method"]
    scheme = scope.get("scheme")
    return {
        "http.request.method": method if method in METHODS else OTHER_METHOD,
        "url.scheme": scheme if scheme in _SCHEMES else "http",
        "network.protocol.version": _VERSIONS.get(scope.get("http_version", ""), "1.1"),
    }


def _name(method: str) -> str:
    return method if method in METHODS else "HTTP"


def _end(span: Span, request: ActiveRequest, error: str) -> None:
    method, status = request.scope["method"], request.status
    if request.endpoint != UNMATCHED:
        span.note("http.route", request.endpoint)
        span.rename(f"{_name(method)} {request.endpoint}")
    if status:
        span.note("http.response.status_code", status)
    if error or status >= 500:
        span.end(error or str(status))
    else:
        span.end("" if status else "client_closed", fault=False)
