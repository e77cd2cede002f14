"""A collector for tests: of traces (OTLP over HTTP) and of whatever else is posted; and bad ones."""

import gzip
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["Collector", "attributes", "ids"]


class Collector:
    """Keeps the spans that processes send, with the names of those processes, and all bodies as they are.

    `hangs` lets nobody have an answer; with `status` it answers nonsense. `headers` and `bodies` are as they came.
    """

    def __init__(self, *, status: int = 200, hangs: bool = False) -> None:
        self.spans: deque[tuple[str, Span]] = deque()
        self.bodies: deque[bytes] = deque()
        self.headers: dict[str, str] = {}
        self.path = ""
        self._ended = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.headers = {name.lower(): said for name, said in self.headers.items()}
                collector.path = self.path
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if hangs:
                    collector.bodies.append(body)
                    collector._ended.wait(30)
                    return
                collector._keep(body)
                self.send_response(status)
                said = b"" if status == 200 else b"\xff\x00"
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _keep(self, body: bytes) -> None:
        self.bodies.append(body)
        if self.path != "/v1/traces":
            return
        request = ExportTraceServiceRequest.FromString(body)
        for sent in request.resource_spans:
            name = attributes(sent.resource.attributes).get("service.name", "")
            self.spans += [(str(name), span) for scope in sent.scope_spans for span in scope.spans]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


def attributes(pairs: Any) -> dict[str, Any]:
    """Return attributes as Python values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def ids(span: Span) -> tuple[str, str, str]:
    """Return the ids of trace, span and parent."""
    return span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
