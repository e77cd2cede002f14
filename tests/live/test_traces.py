"""Traces of the platform's own processes, exported to collectors good and bad (N1, N3, N5, N6)."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.kinds import kinds
from tests.live.platform import PATIENT, Platform, until
from tests.otlp import Collector, attributes, ids
from tests.servers import LOOPBACK, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": 50}


def named(spans: Sequence[tuple[str, Span]]) -> dict[str, Span]:
    return {f"{service} {span.name}": span for service, span in spans}


def told(platform: Platform) -> list[dict[str, Any]]:
    """Return what the gateway and users have logged of the requests of the trace."""
    lines = [*platform["gateway"].lines(), *platform["users"].lines()]
    return [line for line in lines if line["event"] == "request" and line["trace_id"] == TRACE]


def test_n3_a_profile_is_one_trace_through_all_processes(tmp_path: Path, demo: str) -> None:
    """N3, N6: the span that a service makes is the child of the attempt that asked it, and each line has its ids."""
    with Collector() as collector:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=acme",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        with Platform(tmp_path, demo, **settings, **SOON, **PATIENT) as platform:
            platform.start("users", "orders", "products", "gateway")
            assert platform.get("/api/profile/user456", traceparent=PARENT, tracestate="a=1").status == 200
            until(lambda: sum(ids(span)[0] == TRACE for _, span in collector.spans) >= 10)
            until(lambda: len(told(platform)) == 2)  # a line is written a moment after the answer
            lines = told(platform)

    mine = [(service, span) for service, span in collector.spans if ids(span)[0] == TRACE]
    spans = named(mine)
    root = spans["cinema GET /api/profile/{user_id}"]
    assert ids(root)[2] == CALLER
    assert len(mine) == 10  # the request, three parts, three attempts, three services
    for part, service in (("user", "user-service"), ("orders", "order-service")):
        below = next(span for name, span in spans.items() if name.endswith(f".{part}"))
        attempt = next(span for _, span in mine if ids(span)[2] == ids(below)[1])
        answered = next(span for name, span in mine if ids(span)[2] == ids(attempt)[1])
        assert ids(below)[2] == ids(root)[1]
        assert attempt.kind == Span.SPAN_KIND_CLIENT
        assert attributes(attempt.attributes)["server.address"] == LOOPBACK
        assert answered.kind == Span.SPAN_KIND_SERVER
        assert f"{service} {answered.name}" in spans
    assert {line["span_id"] for line in lines} == {
        ids(span)[1]
        for name, span in mine
        if span.kind == Span.SPAN_KIND_SERVER and name in {"cinema", "user-service"}
    }
    assert (collector.path, collector.headers["x-tenant"]) == ("/v1/traces", "acme")


@pytest.mark.parametrize("kind", kinds("hangs", "down", "garbles"))
def test_n5_a_bad_collector_costs_neither_a_request_nor_the_stop(
    tmp_path: Path, demo: str, kind: str
) -> None:
    """N5, X6: whatever it does, requests are answered, and a stop is not held up by more than two seconds."""
    with Collector(status=500, hangs=kind == "hangs") as collector:
        place = f"http://{LOOPBACK}:{free_port()}" if kind == "down" else collector.url
        queue = {"OTEL_BSP_MAX_QUEUE_SIZE": 20, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 10}
        with Platform(
            tmp_path, demo, OTEL_EXPORTER_OTLP_ENDPOINT=place, **queue, **SOON, **PATIENT
        ) as platform:
            platform.start("gateway")
            statuses = {platform.get("/health").status for _ in range(60)}
            platform["gateway"].signal(signal.SIGTERM)
            code = platform["gateway"].wait(25)  # a collector may take 10 s for each of three batches

    assert statuses == {200}
    assert code == 0
