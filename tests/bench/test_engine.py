"""The lines of the engine's table do the same work."""

import random

import pytest

from bench.engine import Answer, bare, by_hand, guarded, planned, report
from cinema.gateway.app import build
from cinema.settings import Settings
from stagedoor._call import Env
from stagedoor._clock import SystemClock

ENV = Env(clock=SystemClock(), rng=random.Random(1).random, observe=lambda _: None)


@pytest.mark.parametrize("line", ["by hand", "engine", "policies"])
async def test_every_line_brings_the_same_answer(line: str) -> None:
    """A line that failed early would look fast."""
    lines = {
        "by hand": by_hand(bare()),
        "engine": planned(bare(), ENV),
        "policies": planned(guarded(build(Settings()), ENV), ENV),
    }

    assert await lines[line]() == Answer(user=b"{}", orders=b"{}", products=b"{}")


def test_overhead_is_what_a_part_costs_more_than_by_hand() -> None:
    """45 us more for three parts are 15 us a part."""
    last = report([("by hand", 10.0), ("engine", 55.0)]).splitlines()[-1]

    assert last.split() == ["engine", "55.0", "15.0"]
