"""Spans by OpenTelemetry's own SDK: it samples them, gathers them, and has a thread of its own that sends them.

What fails there, and however long a collector takes, is no request's business: spans wait in a bounded queue, and what
finds it full is dropped. Nothing is patched, and no provider is made the process's own.
"""

import asyncio
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as Recorded

from stagedoor import _tracing as tracing
from stagedoor._requests import Headers

__all__ = ["OpenTelemetry"]

_LINGER: Final = 2.0  # seconds that closing waits for what is not yet sent
_KNOWN_FLAGS: Final = 0x03  # sampled, random
_KINDS: Final = {"server": SpanKind.SERVER, "internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}
_UNNAMED: Final = "unknown_service"


class OpenTelemetry:
    """A `Tracer` whose spans go to `exporters`: "otlp", "console" (standard error), or one of the SDK's kind.

    `name` is the service's where the environment says no other. Nothing is sent before `open`; `aclose` sends what is
    left, and takes two seconds at most.
    """

    def __init__(
        self,
        exporters: Sequence[str | SpanExporter],
        name: str,
        version: str = "",
        *,
        propagates: bool = True,
    ) -> None:
        self.propagates = propagates
        self._exporters = exporters
        self._opened: list[SpanExporter] = []
        self._provider = TracerProvider(resource=_resource(name, version), shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer("stagedoor")

    def open(self) -> None:
        """Begin to send."""
        for one in self._exporters:
            exporter = _exporter(one) if isinstance(one, str) else one
            self._opened.append(exporter)
            self._provider.add_span_processor(BatchSpanProcessor(exporter))

    def start(
        self, name: str, kind: tracing.SpanKind, fields: Headers, attributes: tracing.Attributes, /
    ) -> tracing.Span:
        """Begin a span."""
        return _OpenSpan(self._tracer.start_span(name, _parent(fields), _KINDS[kind], attributes))

    async def aclose(self) -> None:
        """Send what is left, without holding the loop up; what a collector does not take in time is dropped."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop has not waited for it
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=close, name="stagedoor-traces", daemon=True).start()
        try:
            await asyncio.wait_for(closed.wait(), _LINGER)
        except TimeoutError:
            for exporter in self._opened:
                exporter.shutdown()

    def __repr__(self) -> str:
        return f"<OpenTelemetry {self._provider.sampler.get_description()}>"


class _OpenSpan:
    """A span of the SDK; one that is not sampled notes nothing."""

    __slots__ = ("_span", "parent")

    def __init__(self, span: Recorded) -> None:
        made = span.get_span_context()
        flags = made.trace_flags & _KNOWN_FLAGS
        self._span = span
        self.parent = b"00-%032x-%016x-%02x" % (made.trace_id, made.span_id, flags)

    def rename(self, name: str, /) -> None:
        self._span.update_name(name)

    def note(self, name: str, value: str | int, /) -> None:
        self._span.set_attribute(name, value)

    def end(self, error: str = "", /, *, fault: bool = True) -> None:
        if error:
            self._span.set_attribute("error.type", error)
            if fault:
                self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _exporter(name: str) -> SpanExporter:
    return OTLPSpanExporter() if name == "otlp" else ConsoleSpanExporter(out=sys.stderr)


def _resource(name: str, version: str) -> Resource:
    """Return what is known of this process, its name first: that of the environment, where it says one."""
    found = Resource.create({SERVICE_VERSION: version} if version else {})
    if str(found.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
        found = found.merge(Resource({SERVICE_NAME: name}))
    return found


def _parent(fields: Headers) -> Context:
    """Return the span that fields name, as the SDK knows parents; they have been checked."""
    said = dict(fields)
    parent = said.get(b"traceparent")
    if parent is None:
        return Context()
    state = said.get(b"tracestate")
    known = SpanContext(
        int(parent[3:35], 16),
        int(parent[36:52], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(parent[53:55], 16)),
        trace_state=TraceState.from_header([state.decode("ascii")]) if state else None,
    )
    return set_span_in_context(NonRecordingSpan(known), Context())
