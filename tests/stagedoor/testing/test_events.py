"""The observer that remembers, and the fixtures that go together."""

import random

from stagedoor._call import Env
from stagedoor._events import BudgetExhausted, CallJoined
from stagedoor.testing import Events, ManualClock


def test_events_are_remembered_in_order_and_found_by_kind() -> None:
    """It is a list, and compares like one."""
    events = Events()
    events(CallJoined("a.b"))
    events(BudgetExhausted("a.b"))
    events(CallJoined("c.d"))

    assert events.of(CallJoined) == [CallJoined("a.b"), CallJoined("c.d")]
    assert events == [CallJoined("a.b"), BudgetExhausted("a.b"), CallJoined("c.d")]


def test_the_fixtures_belong_together(env: Env, clock: ManualClock, events: Events) -> None:
    """What the env observes and when, the test sees; and chance begins the same each time."""
    env.observe(CallJoined("a.b"))

    assert env.clock is clock
    assert events == [CallJoined("a.b")]
    assert env.rng() == random.Random(20260105).random()
