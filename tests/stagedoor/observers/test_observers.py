"""Several sinks behind one observer."""

import logging

import pytest

from stagedoor._events import BudgetExhausted, CallJoined, Event, Observer
from stagedoor._observers import fan_out

EVENT = BudgetExhausted("users.get")


def test_every_sink_hears_every_event_in_order() -> None:
    """One observer stands for all."""
    heard: list[tuple[str, Event]] = []
    observe = fan_out(lambda event: heard.append(("a", event)), lambda event: heard.append(("b", event)))
    observe(EVENT)

    assert heard == [("a", EVENT), ("b", EVENT)]


def test_a_sink_that_fails_is_reported_once_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A request never pays for a broken sink, and the log is not flooded with it."""
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("full")

    observe = fan_out(broken, heard.append)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            observe(EVENT)

    assert heard == [EVENT] * 3
    assert len(caplog.records) == 1


class Picky:
    """A sink that takes one kind of event."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.asked: list[type[Event]] = []

    def listener(self, kind: type[Event], /) -> Observer | None:
        """Take exhausted budgets."""
        self.asked.append(kind)
        return self.heard.append if kind is BudgetExhausted else None


def test_a_selective_sink_is_asked_once_for_each_kind_and_hears_what_it_takes() -> None:
    """What nobody wants to hear costs a request nothing."""
    picky = Picky()
    observe = fan_out(picky)
    for event in (EVENT, CallJoined("users.get"), EVENT, CallJoined("users.get")):
        observe(event)

    assert picky.heard == [EVENT, EVENT]
    assert picky.asked == [BudgetExhausted, CallJoined]
