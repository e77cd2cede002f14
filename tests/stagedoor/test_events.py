"""Events are values, and each belongs to an upstream, a store or an aggregate."""

import dataclasses
from typing import get_args

import pytest

from stagedoor import _events as events
from stagedoor._events import BudgetExhausted, CallJoined, Event, upstream_of


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_says_whose_it_is(kind: type) -> None:
    """The first field tells whom a sink should count or log it under."""
    names = [field.name for field in dataclasses.fields(kind)]

    assert names[0] in {"operation", "store", "aggregate"}


def test_the_union_is_complete() -> None:
    """A sink that matches over `Event` sees everything there is."""
    declared = {kind for kind in vars(events).values() if dataclasses.is_dataclass(kind)}

    assert declared == set(get_args(Event))


def test_events_compare_by_value() -> None:
    """Tests and replays compare what happened."""
    assert len({CallJoined("users.get"), CallJoined("users.get"), BudgetExhausted("users.get")}) == 2


@pytest.mark.parametrize(
    ("operation", "name"),
    [("users.get", "users"), ("users.orders.get", "users"), ("users", "users"), ("", "")],
)
def test_an_upstream_is_what_stands_before_the_first_dot(operation: str, name: str) -> None:
    """Metrics label by it, so it must be one of few."""
    assert upstream_of(operation) == name
