"""The clock of the machine."""

import asyncio
import time

from stagedoor._clock import SystemClock


def test_d5_now_is_monotonic_and_wall_is_not() -> None:
    """D5: decisions use the monotonic clock; the wall clock is for people."""
    clock = SystemClock()

    assert time.monotonic() <= clock.now() <= time.monotonic()
    assert time.time() <= clock.wall() <= time.time()


async def test_a_timer_runs_on_the_loop_once_its_moment_is_there() -> None:
    """A moment in the past is the next tick."""
    clock = SystemClock()
    struck = asyncio.Event()
    clock.call_at(clock.now() - 1, struck.set)
    await struck.wait()

    assert struck.is_set()


async def test_a_timer_that_was_called_off_does_not_run() -> None:
    """Cancelling is harmless before and after."""
    clock = SystemClock()
    struck: list[str] = []
    ran = asyncio.Event()
    timer = clock.call_at(clock.now(), lambda: struck.append("called off"))
    last = clock.call_at(clock.now(), ran.set)
    timer.cancel()
    await ran.wait()
    last.cancel()
    await clock.sleep(0)

    assert struck == []
