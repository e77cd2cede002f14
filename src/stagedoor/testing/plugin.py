"""Fixtures for pytest: `clock`, `events`, `env`, `stage`.

Ask for them in a conftest, with `pytest_plugins = ["stagedoor.testing.plugin"]`. There is no entry point on purpose:
pytest would import the kit before coverage starts to count, and in projects that do not want it.
"""

import random

import pytest

from stagedoor._call import Env
from stagedoor.testing.clock import ManualClock
from stagedoor.testing.events import Events
from stagedoor.testing.stage import Stage

__all__ = ["clock", "env", "events", "stage"]


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still until the test moves it."""
    return ManualClock()


@pytest.fixture
def events() -> Events:
    """Return the observer of `env`: a list of what happened."""
    return Events()


@pytest.fixture
def env(clock: ManualClock, events: Events) -> Env:
    """Return an Env of that clock and observer, with a random source that starts the same for each test."""
    return Env(clock, random.Random(20260105).random, events)  # noqa: S311 - wanted: the same each time


@pytest.fixture
def stage() -> type[Stage]:
    """Return the class: a test makes stages of the gateways that it wants."""
    return Stage
