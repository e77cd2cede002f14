"""Names, labels and bounds of the metrics."""

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stagedoor._events import (
    AggregateEnded,
    AttemptEnded,
    BreakerMoved,
    BudgetExhausted,
    CacheLookup,
    CallJoined,
    CallShed,
    Event,
    HedgeFired,
    LimitMoved,
    PartEnded,
    RefreshFailed,
    RequestShed,
    RetryScheduled,
    StoreAnswered,
    StoreFailed,
    StoreRestored,
)
from stagedoor._observers.metrics import Metrics
from stagedoor.errors import UpstreamRejected, UpstreamTimeout

NAMES = {"users": "user_service", "orders": "order_service", "redis": "redis"}
LATE = UpstreamTimeout("users.get")
EVERY: tuple[Event, ...] = (
    AttemptEnded("users.get", 1, 0.01, None),
    AttemptEnded("users.get", 1, 0.01, LATE),
    RetryScheduled("users.get", 1, 0.01, LATE),
    BudgetExhausted("users.get"),
    HedgeFired("users.get", 2),
    BreakerMoved("users.get", "closed", "open"),
    CallShed("users.get", "circuit_open"),
    CallJoined("users.get"),
    CacheLookup("users.get", "memory", "stale"),
    RefreshFailed("users.get", LATE),
    StoreAnswered("redis", 0.001),
    StoreFailed("redis", "refused"),
    StoreRestored("redis"),
    PartEnded("profile", "user", "fresh", None, 0.01),
    AggregateEnded("profile", 0.012, complete=True),
    LimitMoved("users.get", 20),
    RequestShed("/profile/{user_id}", "search"),
)


def text(metrics: Metrics) -> str:
    return metrics.render()[0].decode()


def value(metrics: Metrics, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text(metrics), re.MULTILINE)
    assert found is not None, series
    return float(found[1])


def test_a_request_is_counted_once_and_the_gauge_returns() -> None:
    """Each request counts once, under its template."""
    metrics = Metrics(NAMES)
    metrics.request_started()
    during = value(metrics, "http_active_requests")
    metrics.request_ended("GET", "/api/profile/{user_id}", 200, 0.02)

    assert during == 1
    assert value(metrics, "http_active_requests") == 0
    series = 'http_requests_total{endpoint="/api/profile/{user_id}",method="GET",status="200"}'
    assert value(metrics, series) == 1
    bucket = 'http_request_duration_seconds_bucket{endpoint="/api/profile/{user_id}",le="0.025",method="GET"}'
    assert value(metrics, bucket) == 1


def test_t16_no_method_endpoint_or_status_adds_series_without_bound() -> None:
    """T16: 100,000 random requests stay inside the bounds, even if a caller passes raw paths."""
    chance = random.Random(7)
    metrics = Metrics(NAMES)
    for number in range(100_000):
        metrics.request_started()
        metrics.request_ended(f"M{chance.random()}", f"/{number}", chance.choice((200, 999, -1)), 0.01)

    endpoints = set(re.findall(r'endpoint="([^"]*)"', text(metrics)))
    assert len(endpoints) <= 501
    assert set(re.findall(r'method="([^"]*)"', text(metrics))) == {"OTHER"}
    assert set(re.findall(r'status="([^"]*)"', text(metrics))) == {"200", "0"}


def test_t16_unknown_upstreams_share_one_label() -> None:
    """T16: only the mapping of the composition root makes service names."""
    metrics = Metrics(NAMES)
    for number in range(1_000):
        metrics.observe(AttemptEnded(f"x{number}.get", 1, 0.01, LATE))

    assert value(metrics, 'service_errors_total{service_name="other"}') == 1_000
    assert set(re.findall(r'service_name="([^"]*)"', text(metrics))) == {*NAMES.values(), "other"}


@pytest.mark.parametrize(
    ("event", "series"),
    [
        (EVERY[1], 'service_errors_total{service_name="user_service"}'),
        (EVERY[1], 'upstream_request_duration_seconds_count{service_name="user_service"}'),
        (EVERY[2], 'upstream_retries_total{service_name="user_service"}'),
        (EVERY[3], 'retry_budget_exhausted_total{service_name="user_service"}'),
        (EVERY[4], 'upstream_hedges_total{service_name="user_service"}'),
        (EVERY[6], 'upstream_shed_total{reason="circuit_open",service_name="user_service"}'),
        (EVERY[7], 'coalesced_calls_total{service_name="user_service"}'),
        (EVERY[8], 'cache_stale_answers_total{service_name="user_service"}'),
        (EVERY[8], 'cache_hits_total{cache_type="memory"}'),
        (CacheLookup("users.get", "redis", "hit"), 'cache_hits_total{cache_type="redis"}'),
        (CacheLookup("users.get", "redis", "miss"), 'cache_misses_total{cache_type="redis"}'),
        (EVERY[9], 'cache_refresh_failures_total{service_name="user_service"}'),
        (EVERY[10], 'upstream_request_duration_seconds_count{service_name="redis"}'),
        (EVERY[11], 'service_errors_total{service_name="redis"}'),
        (EVERY[14], "aggregation_duration_seconds_count"),
        (EVERY[13], 'aggregate_parts_total{aggregate="profile",part="user",status="fresh"}'),
    ],
)
def test_an_event_is_counted_under_its_name(event: Event, series: str) -> None:
    """One event, one more of the one thing it tells of."""
    metrics = Metrics(NAMES)
    metrics.observe(event)

    assert value(metrics, series) == 1


@pytest.mark.parametrize("error", [None, UpstreamRejected("users.get")])
def test_an_answer_that_says_no_is_no_error_of_the_service(error: UpstreamRejected | None) -> None:
    """service_errors_total counts failed attempts; a 404 is an answer."""
    metrics = Metrics(NAMES)
    metrics.observe(AttemptEnded("users.get", 1, 0.01, error))

    assert value(metrics, 'service_errors_total{service_name="user_service"}') == 0


@pytest.mark.parametrize(("state", "figure"), [("closed", 0), ("half_open", 1), ("open", 2)])
def test_the_state_of_a_breaker_can_be_drawn(state: str, figure: int) -> None:
    """0 closed, 1 half-open, 2 open."""
    metrics = Metrics(NAMES)
    metrics.observe(BreakerMoved("users.get", "closed", state))  # type: ignore[arg-type]

    assert value(metrics, 'circuit_breaker_state{service_name="user_service"}') == figure


def test_a_process_with_nothing_behind_it_shows_requests_only() -> None:
    """Empty series of upstreams that there are not would be noise on every dashboard."""
    metrics = Metrics({})
    for event in EVERY:
        metrics.observe(event)
    metrics.request_started()
    metrics.request_ended("GET", "/", 200, 0.01)

    assert set(re.findall(r"^# TYPE (\S+)", text(metrics), re.MULTILINE)) == {
        "http_active_requests",
        "http_request_duration_seconds",
        "http_requests_total",
        "rate_limited_total",
    }


def test_refusals_for_haste_are_counted() -> None:
    """By their status, which no handler and no upstream can cause."""
    metrics = Metrics(NAMES)
    for status in (200, 429, 503):
        metrics.request_started()
        metrics.request_ended("GET", "/films", status, 0.001)

    assert value(metrics, "rate_limited_total") == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_t16_promtool_finds_nothing_to_say() -> None:
    """T16: the page reads as Prometheus wants it."""
    metrics = Metrics(NAMES, process=True)
    for event in EVERY:
        metrics.observe(event)
    metrics.request_started()
    metrics.request_ended("GET", "/", 200, 0.01)
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=metrics.render()[0],
        capture_output=True,
        check=False,
        timeout=20,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


WORKER = """
import sys
from pathlib import Path
from stagedoor._observers.metrics import Metrics
from prometheus_client.core import CounterMetricFamily
class Fact:
    def collect(self):
        yield CounterMetricFamily("facts", "The same everywhere.", 7)
metrics = Metrics({"users": "user_service"}, process=True)
metrics.include(Fact())
for _ in range(int(sys.argv[1])):
    metrics.request_started()
    metrics.request_ended("GET", "/x", 200, 0.01)
metrics.request_started()
sys.stdout.write(metrics.render()[0].decode())
"""
PARENT = """
import subprocess, sys
from pathlib import Path
from stagedoor._observers.metrics import prepare_workers
prepare_workers(Path(sys.argv[1]))
for count in ("2", "3"):
    worker = subprocess.Popen([sys.executable, "-c", sys.argv[2], count], stdout=subprocess.PIPE)
    page = worker.communicate()[0]
sys.stdout.write(page.decode())
"""


@pytest.mark.slow
def test_one_scrape_of_several_workers_shows_their_sum(tmp_path: Path) -> None:
    """Any of them answers for all; old files are cleared at the start; who has ended has no request under way.

    What all of them see alike is shown once.
    """
    (tmp_path / "counter_1.db").write_bytes(b"left behind")
    page = subprocess.run(
        [sys.executable, "-c", PARENT, str(tmp_path), WORKER], capture_output=True, check=True, timeout=50
    ).stdout.decode()

    assert 'http_requests_total{endpoint="/x",method="GET",status="200"} 5.0' in page
    assert "http_active_requests 1.0" in page
    assert page.count("facts_total 7.0") == 1


def test_what_is_held_at_upstreams_and_how_much_may_be_is_told_when_asked() -> None:
    """O6: the limit, calls under way, calls that wait; and the requests that were refused, each kind from the start."""
    metrics = Metrics(NAMES)
    held = {"users": {"limit": 20, "permits": 3, "waiting": 2, "probes": 0}}
    metrics.follow(lambda: held, lambda: 64.0)
    before = value(metrics, 'requests_shed_total{priority="search"}')
    metrics.observe(RequestShed("/profile/{user_id}", "search"))
    metrics.observe(LimitMoved("orders.get", 7))

    assert (before, value(metrics, 'requests_shed_total{priority="search"}')) == (0, 1)
    assert value(metrics, 'upstream_concurrency_limit{service_name="user_service"}') == 20
    assert value(metrics, 'upstream_concurrency_limit{service_name="order_service"}') == 7
    assert value(metrics, 'upstream_calls_in_flight{service_name="user_service"}') == 3
    assert value(metrics, 'upstream_calls_waiting{service_name="user_service"}') == 2
    assert value(metrics, "requests_concurrency_limit") == 64
    assert value(metrics, 'requests_shed_total{priority="detail"}') == 0


def test_a_prepared_request_is_counted_like_any_other() -> None:
    """Requests that begin and end at once leave the gauge alone."""
    one, two = Metrics({}), Metrics({})
    for method in ("GET", "BREW"):
        one.prepared(method, "/films/{id}", 200)(0.004, "r1", "t1")
        two.request_started()
        two.request_ended(method, "/films/{id}", 200, 0.004)

    assert one.render() == two.render()


def test_what_has_not_happened_yet_is_shown_as_0() -> None:
    """Issue 15: a rate over a series that appears with its first event never sees that event."""
    metrics = Metrics(NAMES)

    for reason in ("circuit_open", "overloaded", "deadline"):
        series = f'upstream_shed_total{{reason="{reason}",service_name="user_service"}}'
        assert value(metrics, series) == 0


def test_what_screens_keep_and_join_is_counted_under_their_names() -> None:
    """C8, K7: an operator asks which screen it was; only names that are declared become series (T16)."""
    metrics = Metrics(NAMES)
    metrics.follow(dict, lambda: 0.0, ["profile", "users"])
    metrics.observe(CacheLookup("profile.get", "memory", "stale"))
    metrics.observe(CallJoined("profile.get"))
    metrics.observe(RefreshFailed("profile.get", LATE))
    metrics.observe(CallJoined("users.get"))
    metrics.observe(CallJoined("nobody.knows"))

    page = metrics.render()[0].decode()
    assert 'cache_stale_answers_total{service_name="profile"} 1.0' in page
    assert 'coalesced_calls_total{service_name="profile"} 1.0' in page
    assert 'cache_refresh_failures_total{service_name="profile"} 1.0' in page
    assert 'coalesced_calls_total{service_name="user_service"} 1.0' in page
    assert 'coalesced_calls_total{service_name="other"} 1.0' in page


def test_failures_are_counted_by_the_reason_that_the_log_gives() -> None:
    """F6: what fails is one figure, why it does another; both are there from the start."""
    metrics = Metrics(NAMES)
    metrics.observe(AttemptEnded("users.get", 1, 0.01, LATE))
    metrics.observe(AttemptEnded("users.get", 1, 0.01, UpstreamRejected("users.get")))
    metrics.observe(StoreFailed("redis", "cannot be understood", "garbled"))
    found = text(metrics)

    assert 'upstream_failures_total{reason="timeout",service_name="user_service"} 1.0' in found
    assert 'upstream_failures_total{reason="garbled",service_name="redis"} 1.0' in found
    assert 'upstream_failures_total{reason="unavailable",service_name="order_service"} 0.0' in found
    assert "rejected" not in found


def test_k1_a_store_that_fails_moves_its_breaker_and_its_times() -> None:
    """K1: what health and the log say of Redis, metrics say as well."""
    metrics = Metrics(NAMES)
    metrics.observe(StoreAnswered("redis", 0.002))
    metrics.observe(StoreFailed("redis", "timeout"))
    failed = metrics.render()[0].decode()
    metrics.observe(StoreRestored("redis"))
    well = metrics.render()[0].decode()

    assert 'upstream_request_duration_seconds_count{service_name="redis"} 1.0' in failed
    assert 'circuit_breaker_state{service_name="redis"} 2.0' in failed
    assert 'circuit_breaker_state{service_name="redis"} 0.0' in well
