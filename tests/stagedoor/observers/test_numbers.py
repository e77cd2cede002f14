"""Plain numbers are told as the library's own would be."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from stagedoor._observers import numbers

BOUNDS = (0.1, 0.5, 1.0)


def page(registry: CollectorRegistry) -> list[bytes]:
    """Return the samples; the library's own add the moment they were created."""
    return [line for line in generate_latest(registry).splitlines() if b"_created" not in line]


def told(make: Callable[[CollectorRegistry], Any], do: Callable[[Any], object]) -> list[bytes]:
    registry = CollectorRegistry()
    do(make(registry).labels("a", "b"))
    return page(registry)


@pytest.mark.parametrize("times", [1, 3])
def test_a_counter_reads_like_the_librarys(times: int) -> None:
    """Same names, labels and values."""

    def count(child: Any) -> None:
        for _ in range(times):
            child.inc()

    ours = told(lambda registry: numbers.counters(registry, "x_total", "X.", ("l", "m")), count)
    theirs = told(lambda registry: Counter("x_total", "X.", ("l", "m"), registry=registry), count)

    assert ours == theirs


def test_a_gauge_reads_like_the_librarys() -> None:
    """It goes both ways, and can be set."""

    def move(child: Any) -> None:
        child.set(5)
        child.dec()
        child.inc()
        child.inc()

    ours = told(lambda registry: numbers.gauges(registry, "x", "X.", ("l", "m")), move)
    theirs = told(lambda registry: Gauge("x", "X.", ("l", "m"), registry=registry), move)

    assert ours == theirs


@given(st.lists(st.floats(-1, 2) | st.sampled_from(BOUNDS), max_size=20))
def test_a_histogram_reads_like_the_librarys(values: list[float]) -> None:
    """Any observations fall into the same buckets; a bound belongs to the bucket it closes."""

    def observe(child: Any) -> None:
        for value in values:
            child.observe(value)

    ours = told(lambda registry: numbers.histograms(registry, "x", "X.", ("l", "m"), BOUNDS), observe)
    theirs = told(
        lambda registry: Histogram("x", "X.", ("l", "m"), registry=registry, buckets=BOUNDS), observe
    )

    assert ours == theirs
