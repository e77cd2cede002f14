"""Prometheus metrics from events and from the requests that a gateway counts.

Every label is bounded: methods by the list below, endpoints by the routes (and by a ceiling, should a caller pass
raw paths), services by the mapping the composition root gives. Children are looked up once and kept; a request
costs about 1 microsecond (`numbers`). With several workers the numbers are in files of PROMETHEUS_MULTIPROC_DIR
(`shared_numbers`) and one scrape shows their sum: call `prepare_workers` in the parent before they start.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, get_args

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from stagedoor import _events as events
from stagedoor._aggregate.plan import Plan
from stagedoor._aggregate.verdict import Status
from stagedoor._context import WEIGHTS
from stagedoor._events import Event, Observer, upstream_of
from stagedoor._observers import numbers, shared_numbers
from stagedoor._observers.worker_files import forget_the_dead
from stagedoor.errors import UpstreamRejected

__all__ = ["Metrics", "prepare_workers"]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATES: Final = {"closed": 0, "half_open": 1, "open": 2}
_MOST_ENDPOINTS: Final = 500
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)

K = TypeVar("K")
C = TypeVar("C")
L_co = TypeVar("L_co", covariant=True)
Mode: TypeAlias = Literal["livesum", "livemax"]


class Counting(Protocol):
    """A number that grows."""

    def inc(self) -> None:
        """Add one."""


class Gauging(Counting, Protocol):
    """A number that comes and goes."""

    def dec(self) -> None:
        """Take one away."""

    def set(self, value: float, /) -> None:
        """Replace it."""


class Observing(Protocol):
    """A distribution."""

    def observe(self, value: float, /) -> None:
        """Count one observation."""


class Labelled(Protocol[L_co]):
    """A metric whose children differ by the values of its labels; without labels it has one."""

    def labels(self, *values: object) -> L_co:
        """Return the child of these values."""
        ...


class _Children(dict[K, C]):
    """The children of one metric by key, made at first use."""

    def __init__(self, make: Callable[[K], C]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> C:
        child = self[key] = self._make(key)
        return child


class Metrics:
    """Count events and requests under the names of the metrics contract.

    `service_names` maps an upstream's or store's name to its label ("users" to "user_service"); what it does not
    know is counted as `other`. Without names nothing stands behind the process: only requests are counted, and the
    other metrics do not appear. `process` adds CPU, memory and descriptors of this process (single worker only).
    """

    def __init__(self, service_names: Mapping[str, str], *, process: bool = False) -> None:
        self._names = dict(service_names)
        self._keepers: frozenset[str] = frozenset()
        self._endpoints: set[str] = set()
        self.registry = CollectorRegistry()
        folder = os.environ.get(shared_numbers.DIRECTORY)
        self._files = None if not folder else shared_numbers.NumberFiles(Path(folder))
        if process and self._files is None:
            ProcessCollector(registry=self.registry)
        self._facts: list[Collector] = []
        self._handlers: dict[type[Any], Callable[[Any], None]] = {}
        self._load: Callable[[], None] = _nothing
        self._declare_requests()
        if service_names:
            self._watch()

    def _watch(self) -> None:
        """Declare and count what events tell of services, caches and aggregates."""
        self._declare_services()
        self._declare_caches()
        self._declare_aggregates()
        self._handlers |= {
            events.AttemptEnded: self._attempt_ended,
            events.RetryScheduled: lambda event: self._retries[event.operation].inc(),
            events.BudgetExhausted: lambda event: self._exhausted[event.operation].inc(),
            events.HedgeFired: lambda event: self._hedges[event.operation].inc(),
            events.BreakerMoved: lambda event: self._breaker[event.operation].set(_STATES[event.after]),
            events.CallShed: lambda event: self._shed[event.operation, event.reason].inc(),
            events.CallJoined: lambda event: self._joined[event.operation].inc(),
            events.CacheLookup: self._cache_lookup,
            events.RefreshFailed: lambda event: self._refreshes[event.operation].inc(),
            events.StoreAnswered: lambda event: self._attempts[event.store].observe(event.seconds),
            events.StoreFailed: self._store_failed,
            events.StoreRestored: lambda event: self._breaker[event.store].set(_STATES["closed"]),
            events.AggregateEnded: lambda event: self._aggregations.observe(event.seconds),
            events.PartEnded: lambda event: self._parts[event.aggregate, event.part, event.status].inc(),
        }

    def observe(self, event: Event) -> None:
        """Count one event; unknown kinds are ignored."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def listener(self, kind: type[Event], /) -> Observer | None:
        """Return what counts events of this kind; None for kinds that are not counted."""
        return self._handlers.get(kind)

    def request_started(self) -> None:
        """Count a request in; each one is to be counted out by `request_ended`, whatever happens to it."""
        self._active.inc()

    def request_ended(
        self,
        method: str,
        endpoint: str,
        status: int,
        seconds: float,
        request_id: str = "",
        trace_id: str = "",
        cause: str = "",
        span_id: str = "",
    ) -> None:
        """Count a request out; `endpoint` is the route's template or "unmatched", never a raw path."""
        self._active.dec()
        if method not in _METHODS:
            method = "OTHER"
        if endpoint not in self._endpoints:
            endpoint = self._admitted(endpoint)
        self._requests[method, endpoint, status if 100 <= status <= 599 else 0].inc()
        self._seconds[method, endpoint].observe(seconds)
        if status == 429:
            self._limited.inc()

    def prepared(
        self, method: str, endpoint: str, status: int, cause: str = ""
    ) -> Callable[[float, str, str], None]:
        """Return what counts one request of this kind that began and ended at once."""
        del cause
        if method not in _METHODS:
            method = "OTHER"
        if endpoint not in self._endpoints:
            endpoint = self._admitted(endpoint)
        count = self._requests[method, endpoint, status].inc
        observe = self._seconds[method, endpoint].observe

        def counted(seconds: float, _request_id: str, _trace_id: str) -> None:
            count()
            observe(seconds)

        return counted

    def include(self, collector: Collector) -> None:
        """Show also what a collector of prometheus_client tells: facts that look the same from every worker."""
        self.registry.register(collector)
        self._facts.append(collector)

    def expect(self, plans: Iterable[Plan[Any]]) -> None:
        """Show all verdicts on the parts of these from the start: a rate needs a 0 before the first one."""
        for plan in plans:
            for part, status in product(plan.parts, get_args(Status)):
                self._parts[plan.name, part, status]

    def follow(
        self,
        held: Callable[[], Mapping[str, Mapping[str, int]]],
        limit: Callable[[], float],
        keepers: Iterable[str] = (),
    ) -> None:
        """Show also what is held at each upstream, and how many requests may be under way: asked for each page.

        `held` returns `limit`, `permits` and `waiting` by the upstream's name. Of other workers a page shows what they
        held when they were last asked themselves. What screens and lists keep counts under their names, `keepers`.
        """
        self._keepers = frozenset(keepers) - self._names.keys()
        self._declare_load()
        self._load = lambda: self._look(held(), limit())

    def _look(self, held: Mapping[str, Mapping[str, int]], limit: float) -> None:
        self._request_limit.set(limit)
        for name, counts in held.items():
            self._under_way[name].set(counts.get("permits", 0))
            self._in_line[name].set(counts.get("waiting", 0))
            self._limits[name].set(counts.get("limit", 0))

    def render(self) -> tuple[bytes, str]:
        """Return the metrics as text, and its content type; with workers, the sum of all."""
        self._load()
        registry = self.registry
        if self._files is not None:
            forget_the_dead(Path(os.environ[shared_numbers.DIRECTORY]))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            for collector in self._facts:
                registry.register(collector)
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _admitted(self, endpoint: str) -> str:
        if len(self._endpoints) >= _MOST_ENDPOINTS:
            return "unmatched"
        self._endpoints.add(endpoint)
        return endpoint

    def _attempt_ended(self, event: events.AttemptEnded) -> None:
        self._attempts[event.operation].observe(event.seconds)
        if event.error is not None and not isinstance(event.error, UpstreamRejected):
            self._errors[event.operation].inc()
            self._failures[event.operation, event.error.reason].inc()

    def _store_failed(self, event: events.StoreFailed) -> None:
        # What fails is not asked until its watch has an answer: a breaker in all but name.
        self._errors[event.store].inc()
        self._failures[event.store, event.reason].inc()
        self._breaker[event.store].set(_STATES["open"])

    def _cache_lookup(self, event: events.CacheLookup) -> None:
        if event.result == "miss":
            self._misses[event.tier].inc()
            return
        self._hits[event.tier].inc()
        if event.result == "stale":
            self._stale[event.operation].inc()

    def _service(self, operation: str) -> str:
        return self._names.get(upstream_of(operation), "other")

    def _keeper(self, operation: str) -> str:
        """Return whose answers are kept: a service's, or those of a screen or a list by its own name."""
        name = upstream_of(operation)
        return name if name in self._keepers else self._service(operation)

    def _by_service(
        self, metric: Labelled[C], name_of: Callable[[str], str] | None = None
    ) -> "_Children[str, C]":
        """Return the metric's children by operation, with one series per service from the start."""
        for label in self._names.values():
            metric.labels(label)
        named = name_of or self._service

        def child(operation: str) -> C:
            return metric.labels(named(operation))

        return _Children(child)

    def _counter(self, name: str, text: str, *labels: str) -> Labelled[Counting]:
        if self._files is not None:
            return shared_numbers.counters(self._files, name, text, labels)
        return numbers.counters(self.registry, name, text, labels)

    def _histogram(self, name: str, text: str, *labels: str) -> Labelled[Observing]:
        if self._files is not None:
            return shared_numbers.histograms(self._files, name, text, labels, _SHORT)
        return numbers.histograms(self.registry, name, text, labels, _SHORT)

    def _gauge(self, name: str, text: str, *labels: str, mode: Mode = "livesum") -> Labelled[Gauging]:
        if self._files is not None:
            return shared_numbers.gauges(self._files, name, text, labels, mode)
        return numbers.gauges(self.registry, name, text, labels)

    def _declare_requests(self) -> None:
        requests = self._counter("http_requests_total", "Requests answered.", "method", "endpoint", "status")
        self._requests: _Children[tuple[str, str, int], Counting] = _Children(
            lambda key: requests.labels(*key)
        )
        seconds = self._histogram(
            "http_request_duration_seconds",
            "Time from the head of a request to its answer.",
            "method",
            "endpoint",
        )
        self._seconds: _Children[tuple[str, str], Observing] = _Children(lambda key: seconds.labels(*key))
        self._active = _only(self._gauge("http_active_requests", "Requests under way."))
        self._limited = _only(self._counter("rate_limited_total", "Requests refused for coming too often."))

    def _declare_load(self) -> None:
        def gauge(name: str, text: str) -> "_Children[str, Gauging]":
            return self._by_service(self._gauge(name, text, "service_name"))

        self._limits = gauge(
            "upstream_concurrency_limit", "Calls that may be under way at once, as measured."
        )
        self._under_way = gauge("upstream_calls_in_flight", "Calls that hold a place.")
        self._in_line = gauge("upstream_calls_waiting", "Calls that wait for a place of ours.")
        self._request_limit = _only(
            self._gauge("requests_concurrency_limit", "Requests that may be under way at once.")
        )
        shed = self._counter(
            "requests_shed_total", "Requests refused for want of processor time.", "priority"
        )
        self._turned_away = {name: shed.labels(name) for name in WEIGHTS}
        self._handlers |= {
            events.LimitMoved: lambda event: self._limits[event.operation].set(event.limit),
            events.RequestShed: lambda event: self._turned_away[event.priority].inc(),
        }

    def _declare_aggregates(self) -> None:
        self._aggregations = _only(self._histogram("aggregation_duration_seconds", "Time an aggregate took."))
        parts = self._counter("aggregate_parts_total", "Verdicts on parts.", "aggregate", "part", "status")
        self._parts: _Children[tuple[str, str, str], Counting] = _Children(lambda key: parts.labels(*key))

    def _declare_services(self) -> None:
        def count(name: str, text: str) -> "_Children[str, Counting]":
            return self._by_service(self._counter(name, text, "service_name"))

        self._errors = count("service_errors_total", "Attempts and stores that failed.")
        failures = self._counter("upstream_failures_total", "The same, by reason.", "service_name", "reason")
        for label, reason in product(self._names.values(), ("timeout", "unavailable", "garbled")):
            failures.labels(label, reason)
        self._failures: _Children[tuple[str, str], Counting] = _Children(
            lambda key: failures.labels(self._service(key[0]), key[1])
        )
        self._retries = count("upstream_retries_total", "Attempts after the first.")
        self._exhausted = count("retry_budget_exhausted_total", "Retries that the budget refused.")
        self._hedges = count("upstream_hedges_total", "Further copies of slow calls.")

        def kept(name: str, text: str) -> "_Children[str, Counting]":
            return self._by_service(self._counter(name, text, "service_name"), self._keeper)

        self._joined = kept("coalesced_calls_total", "Calls that waited for an equal one.")
        self._refreshes = kept("cache_refresh_failures_total", "Refreshes in the background that failed.")
        self._stale = kept("cache_stale_answers_total", "Values used past their lifetime.")
        shed = self._counter("upstream_shed_total", "Calls not made.", "service_name", "reason")
        for label, reason in product(self._names.values(), get_args(events.ShedReason)):
            shed.labels(label, reason)
        self._shed: _Children[tuple[str, str], Counting] = _Children(
            lambda key: shed.labels(self._service(key[0]), key[1])
        )
        text = "Time of single attempts."
        self._attempts = self._by_service(
            self._histogram("upstream_request_duration_seconds", text, "service_name")
        )
        text = "0 closed, 1 half-open, 2 open; the worst of all workers."
        self._breaker = self._by_service(
            self._gauge("circuit_breaker_state", text, "service_name", mode="livemax")
        )

    def _declare_caches(self) -> None:
        hits = self._counter("cache_hits_total", "Lookups that found a usable value.", "cache_type")
        misses = self._counter("cache_misses_total", "Lookups that found none.", "cache_type")
        self._hits = {tier: hits.labels(tier) for tier in ("memory", "redis")}
        self._misses = {tier: misses.labels(tier) for tier in ("memory", "redis")}


def _nothing() -> None:
    """Have nothing to look at."""


def _only(metric: Labelled[C]) -> C:
    """Return the one child of a metric without labels."""
    return metric.labels()


def prepare_workers(directory: Path) -> None:
    """Empty the directory that workers share their numbers in, and name it to the processes that follow."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink()
    os.environ[shared_numbers.DIRECTORY] = str(directory)
