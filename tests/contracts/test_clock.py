"""What every clock promises: the machine's, and the one of the test kit."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from stagedoor._clock import Clock, SystemClock
from stagedoor.testing import ManualClock


async def pass_time(clock: Clock) -> None:
    """Let 10 ms go by, on whichever clock."""
    if isinstance(clock, ManualClock):
        await clock.advance(0.01)
    else:
        await asyncio.sleep(0.01)


@pytest.fixture(params=[SystemClock, ManualClock], ids=lambda kind: kind.__name__)
def any_clock(request: pytest.FixtureRequest) -> Clock:
    """Give each clock in turn."""
    clock: Clock = request.param()
    return clock


async def test_now_never_goes_back(any_clock: Clock) -> None:
    """D5: decisions compare moments."""
    before = any_clock.now()
    await pass_time(any_clock)

    assert any_clock.now() > before


async def test_wall_and_now_move_together(any_clock: Clock) -> None:
    """The difference is a constant unless somebody sets the wall clock."""
    before = any_clock.wall() - any_clock.now()
    await pass_time(any_clock)

    assert any_clock.wall() - any_clock.now() == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize("offset", [-1.0, 0.0, 0.005])
async def test_a_timer_runs_when_its_moment_comes(any_clock: Clock, offset: float) -> None:
    """Also one whose moment has passed: at the next turn, never at once."""
    struck: list[str] = []
    any_clock.call_at(any_clock.now() + offset, lambda: struck.append("ran"))
    at_once = list(struck)
    await pass_time(any_clock)

    assert (at_once, struck) == ([], ["ran"])


async def test_a_timer_may_be_called_off_at_any_time(any_clock: Clock) -> None:
    """Before its moment, after it, and twice."""
    struck: list[str] = []
    early = any_clock.call_at(any_clock.now() + 0.005, lambda: struck.append("called off"))
    late = any_clock.call_at(any_clock.now() + 0.005, lambda: struck.append("ran"))
    early.cancel()
    early.cancel()
    await pass_time(any_clock)
    late.cancel()

    assert struck == ["ran"]


async def sleeping(clock: Clock, work: Callable[[], Awaitable[None]]) -> None:
    await (clock.run(work()) if isinstance(clock, ManualClock) else work())


async def test_a_sleep_takes_its_time(any_clock: Clock) -> None:
    """At least as long as asked for; nothing at all is one turn of the loop."""

    async def nap() -> None:
        await any_clock.sleep(0)
        await any_clock.sleep(0.005)

    before = any_clock.now()
    await sleeping(any_clock, nap)

    assert any_clock.now() - before >= 0.0049
