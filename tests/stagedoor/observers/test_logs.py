"""What is logged: lines, levels, storms, secrets."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor import _context as context
from stagedoor._context import RequestContext
from stagedoor._events import (
    AttemptEnded,
    BreakerMoved,
    BudgetExhausted,
    CacheLookup,
    CallShed,
    Event,
    RefreshFailed,
    RetryScheduled,
    StoreFailed,
    StoreRestored,
)
from stagedoor._observers import fan_out
from stagedoor._observers.lines import as_json, as_text, redacted
from stagedoor._observers.logs import Format, Level, Logs
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.testing.clock import ManualClock
from tests.growth import QUADRATIC, growth
from tests.stagedoor.observers.lines import Sink, logs_into

LATE = UpstreamTimeout("users.get")


def test_a_request_is_one_line_with_the_fields_of_the_contract() -> None:
    """The contract names the fields and their order."""
    sink = Sink()
    logs, _ = logs_into(sink)
    logs.request_started()
    logs.request_ended("GET", "/api/profile/{user_id}", 200, 0.0123456, "r1", "t1")
    logs.close()

    assert sink.records() == [
        {
            "timestamp": "2026-01-05T10:00:00.000000+00:00",
            "level": "INFO",
            "event": "request",
            "request_id": "r1",
            "trace_id": "t1",
            "method": "GET",
            "route": "/api/profile/{user_id}",
            "status": 200,
            "duration_ms": 12.346,
        }
    ]


def test_a_named_process_says_its_name_where_no_upstream_is_named() -> None:
    """Lines of several services in one place must tell which one speaks."""
    sink = Sink()
    logs = Logs(sink, service="user-service", clock=ManualClock())
    logs.request_ended("GET", "/users", 200, 0.01)
    logs.log("WARNING", "odd")
    logs.observe(StoreFailed("database", "refused"))
    logs.close()

    assert [record["service"] for record in sink.records()] == ["user-service", "user-service", "database"]


@pytest.mark.parametrize(
    ("event", "name", "fields"),
    [
        (AttemptEnded("users.get", 2, 0.08, LATE), "upstream_failed", {"attempt": 2, "reason": "timeout"}),
        (RetryScheduled("users.get", 1, 0.02, LATE), "retry_scheduled", {"attempt": 1, "wait_ms": 20.0}),
        (BudgetExhausted("users.get"), "retry_budget_exhausted", {"operation": "users.get"}),
        (BreakerMoved("users.get", "closed", "open"), "breaker_moved", {"reason": "open"}),
        (CallShed("users.get", "circuit_open"), "call_shed", {"reason": "circuit_open"}),
        (RefreshFailed("users.get", LATE), "refresh_failed", {"reason": "timeout"}),
        (
            StoreFailed("redis", "refused"),
            "store_failed",
            {"service": "redis", "reason": "unavailable", "detail": "refused"},
        ),
        (StoreRestored("redis"), "store_restored", {"service": "redis"}),
    ],
)
def test_trouble_is_one_line_with_service_and_reason(
    event: Event, name: str, fields: dict[str, object]
) -> None:
    """Upstream events add service, attempt and reason."""
    sink = Sink()
    logs, _ = logs_into(sink)
    fan_out(logs)(event)
    logs.close()
    (record,) = sink.records()

    assert record["event"] == name
    assert record["level"] == "WARNING"
    assert record["service"] in {"users", "redis"}
    assert fields.items() <= record.items()


@pytest.mark.parametrize("error", [UpstreamGarbled, UpstreamUnavailable])
def test_a_failed_attempt_says_why(error: type[UpstreamError]) -> None:
    """Content type, first fault, status: once, bounded, and what looks like a credential is taken out."""
    sink = Sink()
    logs, _ = logs_into(sink)
    failed = error("users.get", "answered 302 to https://a:b@host/x?token=abc" + "x" * 1_000)
    fan_out(logs)(AttemptEnded("users.get", 1, 0.01, failed))
    fan_out(logs)(RetryScheduled("users.get", 1, 0.02, failed))
    logs.close()
    first, second = sink.records()

    assert first["detail"].startswith("answered 302 to https://***@host/x?token=***")
    assert len(first["detail"]) <= 500
    assert "detail" not in second


@pytest.mark.parametrize(
    "event",
    [
        AttemptEnded("users.get", 1, 0.01, None),
        AttemptEnded("users.get", 1, 0.01, UpstreamRejected("users.get")),
        CacheLookup("users.get", "memory", "hit"),
    ],
)
def test_what_went_well_makes_no_line(event: Event) -> None:
    """The everyday belongs to the metrics."""
    sink = Sink()
    logs, _ = logs_into(sink)
    fan_out(logs)(event)
    logs.close()

    assert sink.records() == []


def test_trouble_carries_the_ids_of_its_request() -> None:
    """A line of an upstream's failure can be joined with its request's line."""
    sink = Sink()
    logs, _ = logs_into(sink)
    parent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    token = context.enter(RequestContext(request_id="r7", forward=((b"traceparent", parent),)))
    logs.observe(BudgetExhausted("users.get"))
    context.leave(token)
    logs.close()

    assert [(r["request_id"], r["trace_id"]) for r in sink.records()] == [("r7", "a" * 32)]


async def test_a_storm_is_told_in_few_lines_and_a_number() -> None:
    """1,000 equal failures are a line a minute, and at once; the next one says how many were held back."""
    sink = Sink()
    logs, clock = logs_into(sink)
    for _ in range(1_000):
        logs.observe(AttemptEnded("users.get", 1, 0.08, LATE))
    logs.observe(AttemptEnded("orders.get", 1, 0.08, LATE))
    await clock.advance(59.0)
    logs.observe(AttemptEnded("users.get", 1, 0.08, LATE))
    await clock.advance(1.0)
    logs.observe(AttemptEnded("users.get", 1, 0.08, LATE))
    await logs.aclose()

    records = sink.records()
    assert [r["service"] for r in records] == ["users", "orders", "users"]
    assert records[-1]["suppressed"] == 1_000


async def test_a_service_that_is_unavailable_for_another_cause_is_told_at_once() -> None:
    """A certificate that expires while a process restarts is no repetition of the refused connection before it."""
    sink = Sink()
    logs, _ = logs_into(sink)
    for _ in range(100):
        for why in ("refused the connection", "its certificate has expired"):
            logs.observe(AttemptEnded("users.get", 1, 0.01, UpstreamUnavailable("users.get", why)))
    await logs.aclose()

    assert [r["detail"] for r in sink.records()] == ["refused the connection", "its certificate has expired"]


async def test_a_store_that_fails_is_told_once_a_minute_for_each_cause() -> None:
    """F6: a service tells of its database with each request that it cannot answer."""
    sink = Sink()
    logs, clock = logs_into(sink)
    for _ in range(500):
        logs.observe(StoreFailed("database", "refused the connection"))
        logs.observe(StoreFailed("database", "its disk is full"))
        logs.observe(StoreFailed("database", "timeout", "timeout"))
    await clock.advance(60.0)
    logs.observe(StoreFailed("database", "its disk is full"))
    await logs.aclose()

    told = [(record["reason"], record.get("detail")) for record in sink.records()]
    full = ("unavailable", "its disk is full")
    assert told == [("unavailable", "refused the connection"), full, ("timeout", None), full]


async def test_one_outage_is_one_opening_however_often_the_breaker_looks() -> None:
    """F6: between open and half open it only asks whether the same trouble is over."""
    sink = Sink()
    logs, _ = logs_into(sink)
    logs.observe(BreakerMoved("users.get", "closed", "open"))
    for _ in range(20):
        logs.observe(BreakerMoved("users.get", "open", "half_open"))
        logs.observe(BreakerMoved("users.get", "half_open", "open"))
    logs.observe(BreakerMoved("users.get", "half_open", "closed"))
    await logs.aclose()

    assert [record["reason"] for record in sink.records()] == ["open", "closed"]


async def test_a_refresh_that_fails_names_the_service_that_failed_it() -> None:
    """F6: what is kept goes by a name of its own, which nobody can mend."""
    sink = Sink()
    logs, _ = logs_into(sink)
    logs.observe(RefreshFailed("snapshot.run", LATE))
    await logs.aclose()

    (record,) = sink.records()
    assert (record["service"], record["operation"]) == ("users", "snapshot.run")


async def test_changes_of_state_are_told_as_they_come() -> None:
    """A breaker that opens twice in a minute must not seem closed."""
    sink = Sink()
    logs, _ = logs_into(sink)
    for _ in range(3):
        logs.observe(BreakerMoved("users.get", "closed", "open"))
        logs.observe(BreakerMoved("users.get", "open", "closed"))
    await logs.aclose()

    assert [record["reason"] for record in sink.records()] == ["open", "closed"] * 3


async def test_a_service_has_the_name_that_metrics_and_health_give_it() -> None:
    """Whoever looks for one thing in three places looks for one word."""
    sink = Sink()
    logs = Logs(sink, clock=ManualClock(), labels={"users": "user_service"}, service="shop")
    logs.observe(AttemptEnded("users.get", 1, 0.08, LATE))
    logs.request_ended("GET", "/home", 503, 0.01, "id", "trace", "users: circuit_open")
    logs.request_ended("GET", "/home", 503, 0.01, "id", "trace", "overloaded")
    logs.request_ended("GET", "/home", 200, 0.01)
    await logs.aclose()

    failed, first, second, well = sink.records()
    assert failed["service"] == "user_service"
    assert (first["service"], first["cause"], second["cause"]) == (
        "shop",
        "user_service: circuit_open",
        "overloaded",
    )
    assert "cause" not in well


def test_kinds_of_lines_are_forgotten_before_they_become_many() -> None:
    """T16: error texts of a store cannot grow the table of allowances."""
    logs, _ = logs_into(Sink(), capacity=10_000)
    for number in range(3_000):
        logs.observe(StoreFailed("redis", f"error {number}"))
    logs.close()

    assert len(logs._allowances) <= 1_000  # noqa: SLF001


@pytest.mark.parametrize(("level", "statuses"), [("INFO", [200, 503]), ("WARNING", [503]), ("ERROR", [])])
def test_the_level_decides_what_is_written(level: Level, statuses: list[int]) -> None:
    """A 5xx is a warning, the rest is information."""
    sink = Sink()
    logs, _ = logs_into(sink, level=level)
    for status in (200, 503):
        logs.request_ended("GET", "/", status, 0.01)
    logs.observe(BudgetExhausted("users.get"))
    logs.close()

    assert [r["status"] for r in sink.records() if r["event"] == "request"] == statuses
    assert any(r["event"] == "retry_budget_exhausted" for r in sink.records()) is (level != "ERROR")


def test_text_is_for_people() -> None:
    """The other format: one line as well."""
    sink = Sink()
    logs, _ = logs_into(sink, shape="text")
    logs.request_ended("GET", "/", 200, 0.01, "r1")
    logs.close()

    expected = b"2026-01-05T10:00:00.000000+00:00 INFO request request_id=r1 method=GET route=/ status=200 "
    assert sink.getvalue() == expected + b"duration_ms=10.0\n"


NASTY = (
    "\r\n{forged}",
    "\x1b[31m",
    "\u2028\u2029\x85",
    "\ud800",
    "x" * 1_000_000,
    "\x00\x7f",
    "é" * 9_000,
    "\\",
)


@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("encode", [as_json, as_text])
def test_t15_nasty_values_stay_on_one_short_line(
    encode: Callable[[dict[str, object]], bytes], value: str
) -> None:
    """T15: forged lines, terminal codes, odd line ends, surrogates, a megabyte."""
    line = encode({"event": "x", **{f"field{n}": value for n in range(40)}})

    assert len(line) <= 8_000
    assert len(line.decode().splitlines()) == 1
    assert not any(character in line.decode() for character in "\x1b\x85\u2028\x7f\x00\r")


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text()))
def test_t15_any_record_is_one_line_of_json(record: dict[str, object]) -> None:
    """T15: whatever the values, the line parses."""
    line = as_json(record)

    assert len(line.decode().splitlines()) == 1
    json.loads(line)


CANARIES = (
    "postgresql://app:canary@db/x",
    "Authorization: Bearer canary",
    "authorization=canary",
    "GET /x?token=canary&a=1",
    "Cookie: canary",
    "{'password': 'canary'}",
    "x-api-key: canary",
    "https://s3/x?X-Amz-Signature=canary",
    "redis://:canary@host/0",
)


@pytest.mark.parametrize("text", CANARIES)
def test_t15_credentials_are_taken_out_of_texts(text: str) -> None:
    """T15: no canary passes, whatever library wrote the text."""
    assert "canary" not in redacted(text)


@pytest.mark.parametrize("piece", ["a", "token", "://", "bearer ", " \t"])
def test_t10_redaction_is_linear(piece: str) -> None:
    """T10: 50 kB of adversarial text."""
    assert growth(lambda length: redacted(piece * (length // len(piece))), 12_500) < QUADRATIC


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("status", [200, 304, 503])
@pytest.mark.parametrize("endpoint", ["/films/{id}", '/a"timestamp":"%"/%s', "/ф", "/\x7f"])
@pytest.mark.parametrize("cause", ["", "overloaded", "users: timeout"])
@pytest.mark.parametrize("spans", [True, False])
def test_a_prepared_line_is_the_line(
    form: Format, status: int, endpoint: str, cause: str, spans: bool
) -> None:
    """Nobody can tell from the log who answered."""
    sink, other = Sink(), Sink()
    clock, labels = ManualClock(), {"users": "user_service"}
    one, two = (
        Logs(into, format=form, service="a%b", clock=clock, labels=labels, spans=spans)
        for into in (sink, other)
    )
    one.prepared("GET", endpoint, status, cause)(0.0123456, "r1", "t1")
    two.request_ended("GET", endpoint, status, 0.0123456, "r1", "t1", cause)
    one.close()
    two.close()

    assert sink.getvalue() == other.getvalue() != b""


def test_a_prepared_line_below_the_level_is_not_written() -> None:
    """At WARNING only failures are, whatever the sample."""
    sink = Sink()
    logs = Logs(sink, level="WARNING", sample=0.0)
    logs.prepared("GET", "/", 200)(0.01, "r1", "t1")
    logs.prepared("GET", "/", 503, "overloaded")(0.01, "r1", "t1")
    logs.close()

    assert [one["status"] for one in sink.records()] == [503]


def test_of_ordinary_requests_a_share_is_logged_and_of_others_all() -> None:
    """Contract 16: errors and slow ones always; a share of 0 leaves those alone, of 1 nothing out."""
    chances = iter([0.05, 0.05, 0.5, 0.5, 0.95, 0.95])
    sink = Sink()
    logs = Logs(sink, sample=0.1, rng=lambda: next(chances))
    prepared = logs.prepared("GET", "/ordinary", 200)
    for _ in range(3):
        logs.request_ended("GET", "/ordinary", 200, 0.01)
        prepared(0.01, "", "")
    for status, seconds in ((404, 0.01), (500, 0.01), (200, 0.2), (304, 1.0)):
        logs.request_ended("GET", "/other", status, seconds)
    logs.close()

    assert [one["route"] for one in sink.records()] == ["/ordinary"] * 2 + ["/other"] * 4
