"""A request as a trace: what is a span, what it is called, and what it never says."""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from stagedoor._call import Env
from stagedoor._observers import otel
from stagedoor._observers.otel import OpenTelemetry
from stagedoor._requests import HttpResponse
from stagedoor.errors import UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing import ManualClock, ScriptedTransport
from tests.servers import free_port
from tests.stagedoor.observers.spans import ANN, CALLER, TIPS, TRACE, serving, shop

Row = tuple[str, str, str]


def tree(spans: Sequence[ReadableSpan]) -> list[Row]:
    """Return each span's kind, name and the name of its parent."""
    names = {one.context.span_id: one.name for one in spans if one.context}
    above = [names.get(one.parent.span_id, "caller") if one.parent else "" for one in spans]
    return [(one.kind.name, one.name, name) for one, name in zip(spans, above, strict=True)]


def facts(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Return the ids of a span and of its parent."""
    assert span.context is not None
    return f"{span.context.span_id:016x}", f"{span.parent.span_id:016x}" if span.parent else ""


async def test_n3_a_request_its_parts_and_its_attempts_are_one_trace(clock: ManualClock) -> None:
    """N3: kinds and names are those of the semantic conventions; nothing is named by what was asked for."""
    async with serving(clock) as shop:
        shop.answers("accounts", ANN)
        shop.answers("recs", TIPS)
        assert (await shop.ask("/home/1?token=secret")).status == 200

    spans = await shop.spans()
    assert tree(spans) == [
        ("SERVER", "GET /home/{account_id}", ""),
        ("INTERNAL", "home.account", "GET /home/{account_id}"),
        ("CLIENT", "GET /accounts/{}", "home.account"),
        ("INTERNAL", "home.tips", "GET /home/{account_id}"),
        ("CLIENT", "GET /tips", "home.tips"),
    ]
    assert len({span.context.trace_id for span in spans if span.context}) == 1
    assert facts(spans[0]) == {
        "http.request.method": "GET",
        "http.route": "/home/{account_id}",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    }
    assert facts(spans[1]) == {"stagedoor.part.status": "fresh"}
    assert facts(spans[4]) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "stagedoor.upstream": "recs",
        "url.template": "/tips",
    }
    assert spans[0].resource.attributes["service.name"] == "shop"


async def test_n3_a_trace_comes_in_and_goes_on_with_each_attempt(clock: ManualClock) -> None:
    """N3: each call goes out under the span of its attempt; the state and the flags go along."""
    async with serving(clock) as shop:
        shop.answers("accounts", ANN)
        shop.answers("recs", TIPS)
        await shop.ask("/home/1", flags="03", tracestate="a=1,b=2")

    spans = await shop.spans()
    assert ids(spans[0])[1] == CALLER
    assert spans[0].parent is not None
    assert spans[0].parent.is_remote
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {TRACE}
    assert [one[b"traceparent"].decode() for one in shop.sent] == [
        f"00-{TRACE}-{ids(spans[2])[0]}-03",
        f"00-{TRACE}-{ids(spans[4])[0]}-03",
    ]
    assert {one[b"tracestate"] for one in shop.sent} == {b"a=1,b=2"}


async def test_n3_a_request_that_is_not_sampled_makes_no_spans_and_its_trace_goes_on(
    clock: ManualClock,
) -> None:
    """N3: the flag of who asks is respected; each call still has a parent id of its own."""
    async with serving(clock) as shop:
        shop.answers("accounts", ANN)
        shop.answers("recs", TIPS)
        await shop.ask("/home/1", flags="00")

    assert await shop.spans() == []
    parents = [one[b"traceparent"].decode() for one in shop.sent]
    assert {(one[:36], one[52:]) for one in parents} == {(f"00-{TRACE}-", "-00")}
    assert len({*parents}) == 2


@pytest.mark.parametrize(
    "parent", ["", "nonsense", f"00-{TRACE.upper()}-{CALLER}-01", f"00-{TRACE}-{'0' * 16}-01"]
)
async def test_n3_a_malformed_parent_begins_a_trace_of_our_own(clock: ManualClock, parent: str) -> None:
    """N3, H13: and its state goes with it."""
    async with serving(clock) as shop:
        shop.answers("accounts", ANN)
        shop.answers("recs", TIPS)
        await shop.ask("/home/1", traceparent=parent, tracestate="a=1")

    spans = await shop.spans()
    assert len(spans) == 5
    assert spans[0].parent is None
    assert all(one[b"traceparent"][3:35] != TRACE.encode() and b"tracestate" not in one for one in shop.sent)


async def test_n3_without_the_propagator_no_trace_comes_in_or_goes_on(clock: ManualClock) -> None:
    """N3: `OTEL_PROPAGATORS=none`; what is told here is a whole all the same."""
    async with serving(clock, propagates=False) as shop:
        shop.answers("accounts", ANN)
        shop.answers("recs", TIPS)
        await shop.ask("/home/1", flags="01", tracestate="a=1")

    spans = await shop.spans()
    assert [above for _, _, above in tree(spans)] == [
        "",
        "GET /home/{account_id}",
        "home.account",
        "GET /home/{account_id}",
        "home.tips",
    ]
    assert all({*one} == {b"x-request-id"} for one in shop.sent)


async def test_n3_a_retry_is_a_span_of_its_own_that_says_which_it_is(clock: ManualClock) -> None:
    """N3: `http.request.resend_count`; the failure before it says how it failed."""
    async with serving(clock) as shop:
        shop.answers("accounts", ANN)
        shop.services["recs"].fails(
            UpstreamUnavailable("recs.get", response=HttpResponse(status=503), retryable=True)
        )
        shop.answers("recs", TIPS)
        await shop.ask("/home/1")

    first, second = (one for one in await shop.spans() if one.name == "GET /tips")
    assert facts(first)["error.type"] == "503"
    assert facts(first)["http.response.status_code"] == 503
    assert first.status.status_code.name == "ERROR"
    assert "http.request.resend_count" not in facts(first)
    assert facts(second)["http.request.resend_count"] == 1
    assert second.status.status_code.name == "UNSET"


async def test_n3_a_hedge_and_the_copy_that_lost_are_spans(clock: ManualClock) -> None:
    """N3: who lost the race is told as cancelled, which is nobody's fault."""
    async with serving(clock) as shop:
        shop.answers("hedged", ANN, seconds=0.1)
        shop.answers("hedged", ANN)
        assert (await shop.ask("/hedged")).status == 200

    server, lost, won = await shop.spans()
    assert tree([server, lost, won])[1:] == [("CLIENT", "GET /slow", "GET /hedged")] * 2
    assert (facts(lost)["error.type"], lost.status.status_code.name) == ("cancelled", "UNSET")
    assert facts(won)["http.request.resend_count"] == 1


async def test_n3_a_part_says_why_it_has_no_value(clock: ManualClock) -> None:
    """N3, P4: its verdict and the word for what went wrong; the request itself is well."""
    async with serving(clock) as shop:
        shop.answers("accounts", ANN)
        shop.services["recs"].fails(UpstreamTimeout("recs.get"), retryable=False)
        assert (await shop.ask("/home/1")).status == 200

    spans = {one.name: one for one in await shop.spans()}
    assert facts(spans["home.tips"]) == {"stagedoor.part.status": "fallback", "error.type": "timeout"}
    assert facts(spans["GET /tips"])["error.type"] == "timeout"
    assert spans["GET /home/{account_id}"].status.status_code.name == "UNSET"


@pytest.mark.parametrize(
    ("path", "name", "status", "error"),
    [
        ("/broken", "GET /broken", 500, "500"),
        ("/nowhere/secret", "GET", 404, None),
        ("/raw/secret", "GET /raw/{rest:path}", 503, "503"),
    ],
)
async def test_n4_a_failure_is_told_by_its_status_and_route_alone(
    clock: ManualClock, path: str, name: str, status: int, error: str | None
) -> None:
    """N4, T15: no path, no text of an exception, no event; a 4xx is no error of a server."""
    async with serving(clock) as shop:
        shop.services["accounts"].fails(UpstreamUnavailable, retryable=False)
        assert (await shop.ask(path)).status == status

    spans = await shop.spans()
    server = spans[0]
    assert (server.name, facts(server)["http.response.status_code"]) == (name, status)
    assert facts(server).get("error.type") == error
    assert server.status.status_code.name == ("UNSET" if error is None else "ERROR")
    assert not any(span.events or span.status.description for span in spans)
    assert "secret" not in "".join(span.to_json() for span in spans)


async def test_n6_lines_of_the_log_carry_the_ids_of_trace_and_span(clock: ManualClock) -> None:
    """N6: the line of a request has its span's id, that of a failed attempt the attempt's."""
    log = BytesIO()
    async with serving(clock, log=log) as shop:
        shop.answers("accounts", ANN)
        shop.services["recs"].fails(UpstreamTimeout("recs.get"), retryable=False)
        await shop.ask("/home/1", flags="01")

    spans = {one.name: one for one in await shop.spans()}
    lines = {line["event"]: line for line in map(json.loads, log.getvalue().splitlines())}
    assert {line["trace_id"] for line in lines.values()} == {TRACE}
    assert lines["request"]["span_id"] == ids(spans["GET /home/{account_id}"])[0]
    assert lines["upstream_failed"]["span_id"] == ids(spans["home.tips"])[0]


class Stuck(SpanExporter):
    """A collector that answers when it is let."""

    def __init__(self, raising: Exception | None = None) -> None:
        self.raising = raising
        self.let, self.asked, self.stopped = threading.Event(), 0, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked += len(spans)
        if self.raising is not None:
            raise self.raising
        self.let.wait(30)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.stopped = True
        self.let.set()


async def test_n5_a_collector_that_hangs_holds_up_neither_requests_nor_the_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """N5, X6: spans beyond the bound are dropped, and a stop gives the collector up after its time."""
    monkeypatch.setattr(otel, "_LINGER", 0.05)
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    stuck = Stuck()
    tracer = OpenTelemetry([stuck], "shop")
    tracer.open()
    for _ in range(100):
        tracer.start("GET", "server", (), {}).end()
    await tracer.aclose()

    assert stuck.stopped
    assert stuck.asked <= 4 + 8


async def test_n5_an_exporter_that_fails_is_no_requests_business(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """N5: whatever it raises stays in its own thread."""
    tracer = OpenTelemetry([Stuck(RuntimeError("garbled"))], "shop")
    tracer.open()
    tracer.start("GET", "server", (), {}).end()
    await tracer.aclose()

    assert "Exception while exporting Span." in caplog.text


async def test_n1_spans_of_the_console_go_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """N1: standard output belongs to the log, one object a line."""
    tracer = OpenTelemetry(["console"], "shop")
    tracer.open()
    tracer.start("GET", "server", (), {}).end("500")
    await tracer.aclose()

    said = capsys.readouterr()
    assert said.out == ""
    assert '"error.type": "500"' in said.err


def test_n3_the_door_repeats_nothing_by_itself_where_requests_are_spans(env: Env) -> None:
    """N3: an answer that the door gives again without the gateway would be in no trace."""
    transports = {name: ScriptedTransport[Any, Any](env.clock) for name in ("accounts", "recs", "hedged")}
    made = [
        shop().made(replace(env, tracer=tracer), transports=transports)
        for tracer in (None, OpenTelemetry([], "shop"))
    ]

    assert [one.web.near is None for one in made] == [False, True]


@pytest.mark.parametrize(
    ("sampler", "share", "flags", "told"),
    [
        ("always_on", "", "00", True),
        ("always_off", "", "01", False),
        ("parentbased_always_off", "", "", False),
        ("parentbased_always_off", "", "01", True),
        ("traceidratio", "0", "01", False),
        ("parentbased_traceidratio", "0", "01", True),
        ("Parentbased_TraceIdRatio", "1.0", "", True),
    ],
)
async def test_n1_the_sampler_decides_for_the_request_and_all_below_it(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, sampler: str, share: str, flags: str, told: bool
) -> None:
    """N1, N3: all spans of a request or none, and those who are asked hear the same flag."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", share)
    async with serving(clock) as shop:
        shop.answers("accounts", ANN)
        shop.answers("recs", TIPS)
        await shop.ask("/home/1", flags=flags)

    assert len(await shop.spans()) == (5 if told else 0)
    assert {int(one[b"traceparent"][-2:], 16) & 1 for one in shop.sent} == {int(told)}


async def test_n1_the_environment_names_the_service_and_its_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """N1: its own name is the gateway's; either variable may say another."""
    names = []
    for said in ({}, {"OTEL_SERVICE_NAME": "edge"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=till,a=b"}):
        with monkeypatch.context() as patched:
            for name, value in said.items():
                patched.setenv(name, value)
            memory = InMemorySpanExporter()
            tracer = OpenTelemetry([memory], "shop", "1")
            tracer.open()
            tracer.start("GET", "server", (), {}).end()
            await tracer.aclose()
        facts_of = memory.get_finished_spans()[0].resource.attributes
        names.append((facts_of["service.name"], facts_of["service.version"], facts_of.get("a")))

    assert names == [("shop", "1", None), ("edge", "1", None), ("till", "1", "b")]


async def test_n3_a_receiver_of_others_reads_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """N3: OTLP over HTTP, as somebody else's library understands it."""
    port = free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as receiver:
        tracer = OpenTelemetry(["otlp"], "shop")
        tracer.open()
        tracer.start("GET", "server", (), {"http.request.method": "GET"}).end()
        waiting = asyncio.create_task(receiver.await_trace(lambda span: span.name == "GET", timeout=10))
        await asyncio.sleep(0)
        await tracer.aclose()
        span = await waiting

    assert span.kind == span.SPAN_KIND_SERVER
    assert [pair.key for pair in span.attributes] == ["http.request.method"]
