"""Fixtures of these tests."""

import pytest

from stagedoor._call import Env
from stagedoor.testing import Events, ManualClock
from tests.stagedoor.aggregate.profile import Stage, World


@pytest.fixture
def stage() -> Stage:
    clock, events = ManualClock(), Events()
    return Stage(clock, World(clock), Env(clock, lambda: 0.5, events), events)
