"""Stand around a service as plain ASGI: identity of the request, form of its path, log line, metrics.

A request passes here once on its way in and once on its way out. What is decided here is the same for
every route: the trailing slash, HEAD, the bound on a body, `X-Request-ID`, and what is noted about it.
"""

import re
import time
from collections.abc import MutableMapping
from traceback import format_exception
from typing import Any
from uuid import uuid4

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinema.services.journal import Journal

__all__ = ["BODY_BYTES", "Meters", "Rim"]

BODY_BYTES = 2 * 1024 * 1024  # a full product batch of the longest ids, every character escaped
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACE = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}.*")
_TRACE_CHARACTERS = 4_000
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Meters:
    """Count requests, by route template and never by raw path."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series for each series, that says only when it began
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.active = Gauge("http_active_requests", "Requests being answered", registry=self.registry)
        self._requests = Counter(
            "http_requests_total",
            "Requests answered",
            ["method", "endpoint", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds to answer",
            ["method", "endpoint"],
            registry=self.registry,
        )
        # Finding a child by its labels costs more than counting: children are looked up once.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def count(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        method = method if method in _METHODS else "OTHER"
        counter = self._counters.get((method, endpoint, status))
        if counter is None:
            counter = self._counters[method, endpoint, status] = self._requests.labels(
                method, endpoint, status
            )
        histogram = self._histograms.get((method, endpoint))
        if histogram is None:
            histogram = self._histograms[method, endpoint] = self._seconds.labels(method, endpoint)
        counter.inc()
        histogram.observe(seconds)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text form."""
        return generate_latest(self.registry)


class Rim:
    """Wrap a service's application."""

    def __init__(self, app: ASGIApp, journal: Journal, meters: Meters) -> None:
        self._app = app
        self._journal = journal
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the server's start and stop on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passing = _Passing(scope, receive, send)
        self._meters.active.inc()
        try:
            await self._app(passing.scope, passing.receive, passing.send)
        except Exception as error:
            trace = "".join(format_exception(error))[-_TRACE_CHARACTERS:]  # its end says most
            self._journal.event("ERROR", "fault", request_id=passing.request_id, exception=trace)
            if not passing.ended:  # the server cuts the connection: half an answer must not look whole
                raise
        finally:
            self._meters.active.dec()
            self._note(passing)

    def _note(self, passing: "_Passing") -> None:
        seconds = time.perf_counter() - passing.started
        route = getattr(passing.scope.get("route"), "path_format", "unmatched")
        if route != "/metrics":
            self._meters.count(passing.method, route, passing.status or 499, seconds)
        self._journal.event(
            "INFO",
            "request",
            request_id=passing.request_id,
            trace_id=passing.trace_id,
            method=passing.method,
            route=route,
            status=passing.status or None,  # None: the client left before an answer began
            duration_ms=round(seconds * 1000, 3),
            **({"reason": reason} if (reason := passing.scope.get("reason")) else {}),
        )


class _Passing:
    """One request on its way through."""

    __slots__ = (
        "_receive",
        "_received",
        "_send",
        "ended",
        "method",
        "request_id",
        "scope",
        "started",
        "status",
        "trace_id",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.status = 0
        self.ended = False
        self.request_id, self.trace_id = _identity(scope["headers"])
        self.scope = _normalised(scope)
        self.scope["request_id"] = self.request_id
        self._receive = receive
        self._received = 0
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > BODY_BYTES:
            raise HTTPException(413, f"the body must be at most {BODY_BYTES} bytes")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.request_id.encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        else:
            self.ended = not message.get("more_body", False)
            if self.method == "HEAD":
                message = {**message, "body": b""}
        await self._send(message)


def _identity(headers: list[tuple[bytes, bytes]]) -> tuple[str, str | None]:
    request_id, trace_id = "", None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and (found := _TRACE.fullmatch(value)):
            trace_id = found[1].decode()
    return request_id or uuid4().hex, trace_id


def _normalised(scope: Scope) -> MutableMapping[str, Any]:
    """Return a copy whose HEAD is a GET and whose path has no final slash.

    The raw path decides about the slash: an encoded one at the end belongs to an id.
    """
    scope = dict(scope)
    if scope["method"] == "HEAD":
        scope["method"] = "GET"
    path, raw = scope["path"], scope.get("raw_path") or b""
    if len(path) > 1 and path.endswith("/") and (raw.endswith(b"/") or not raw):
        scope["path"] = path[:-1]
        scope["raw_path"] = raw[:-1]
    return scope
