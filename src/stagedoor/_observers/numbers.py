"""Counters, gauges and histograms of one process, as plain numbers.

prometheus_client's own children take a lock and walk the buckets at each step; with some twenty steps a request that
was a twentieth of a cold aggregate's CPU. These are added to by the event loop's thread alone and are read by
prometheus_client when it is asked for the page, so that the format stays the library's business. Several workers
cannot share plain numbers: theirs are in files (`shared_numbers`), and have the same methods.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from math import inf
from typing import Generic, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

__all__ = ["CountedNumber", "Family", "Spread", "counters", "gauges", "histograms"]

C = TypeVar("C")
Sample: TypeAlias = Callable[[Metric, dict[str, str], C], None]


class CountedNumber:
    """One number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self) -> None:
        """Add one."""
        self.value += 1.0

    def dec(self) -> None:
        """Take one away."""
        self.value -= 1.0

    def set(self, value: float) -> None:
        """Replace it."""
        self.value = value


class Spread:
    """How many observations fell between each two bounds, and their sum."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation; a bound belongs to the bucket it closes."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Family(Generic[C]):
    """The children of one metric, by the values of its labels; a collector of the library's registry."""

    def __init__(
        self, metric: Metric, labels: Sequence[str], make: Callable[[], C], sample: Sample[C]
    ) -> None:
        self._metric = metric
        self._labels = tuple(labels)
        self._make: Callable[[], C] = make
        self._sample: Sample[C] = sample
        self._children: dict[tuple[str, ...], C] = {}

    def labels(self, *values: object) -> C:
        """Return the child of these values, made at first use."""
        key = tuple(map(str, values))
        child = self._children.get(key)
        return child if child is not None else self._children.setdefault(key, self._make())

    def collect(self) -> Iterator[Metric]:
        """Yield the metric with all its samples."""
        shown = Metric(self._metric.name, self._metric.documentation, self._metric.type)
        for key, child in self._children.items():
            self._sample(shown, dict(zip(self._labels, key, strict=True)), child)
        yield shown


def counters(
    registry: CollectorRegistry, name: str, text: str, labels: Sequence[str]
) -> Family[CountedNumber]:
    """Register a counter; its name ends in `_total`."""
    metric = Metric(name.removesuffix("_total"), text, "counter")
    return _registered(registry, Family(metric, labels, CountedNumber, partial(_one, "_total")))


def gauges(registry: CollectorRegistry, name: str, text: str, labels: Sequence[str]) -> Family[CountedNumber]:
    """Register a gauge."""
    return _registered(
        registry, Family(Metric(name, text, "gauge"), labels, CountedNumber, partial(_one, ""))
    )


def histograms(
    registry: CollectorRegistry, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]
) -> Family[Spread]:
    """Register a histogram with these upper bounds, ascending; one without bound is added."""
    metric = Metric(name, text, "histogram")
    return _registered(registry, Family(metric, labels, partial(Spread, bounds), partial(_buckets, bounds)))


def _registered(registry: CollectorRegistry, family: Family[C]) -> Family[C]:
    registry.register(family)
    return family


def _one(suffix: str, metric: Metric, labels: dict[str, str], child: CountedNumber) -> None:
    metric.add_sample(metric.name + suffix, labels, child.value)


def _buckets(bounds: Sequence[float], metric: Metric, labels: dict[str, str], child: Spread) -> None:
    for bound, count in zip((*bounds, inf), accumulate(child.counts), strict=True):
        metric.add_sample(metric.name + "_bucket", {**labels, "le": _written(bound)}, count)
    metric.add_sample(metric.name + "_count", labels, sum(child.counts))
    metric.add_sample(metric.name + "_sum", labels, child.total)


def _written(bound: float) -> str:
    """Spell a bound as the text format does."""
    return "+Inf" if bound == inf else repr(float(bound))
