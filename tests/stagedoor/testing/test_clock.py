"""The manual clock: time moves only when a test says so, and then like on a real loop."""

import asyncio
import math

import pytest

from stagedoor.testing import ManualClock, settle


async def test_time_stands_still(clock: ManualClock) -> None:
    """The start is a round figure and a readable date."""
    before = (clock.now(), clock.wall())
    await asyncio.sleep(0)

    assert before == (clock.now(), clock.wall()) == (1000.0, 1_767_607_200.0)


async def test_timers_run_in_order_each_at_its_moment(clock: ManualClock) -> None:
    """Whatever order they were set in."""
    seen: list[tuple[str, float]] = []
    for name, moment in (("c", 1003.0), ("a", 1001.0), ("b", 1002.0), ("never", 1009.0)):
        clock.call_at(moment, lambda name=name: seen.append((name, clock.now())))  # type: ignore[misc]
    await clock.advance(5)

    assert seen == [("a", 1001.0), ("b", 1002.0), ("c", 1003.0)]
    assert (clock.now(), clock.wall() - 1_767_607_200.0, clock.pending()) == (1005.0, 5.0, 1)


async def test_timers_of_one_moment_run_before_any_task(clock: ManualClock) -> None:
    """As on a real loop: this is where races live."""
    order: list[str] = []

    async def task() -> None:
        await clock.sleep(1)
        order.append("task")

    running = asyncio.create_task(task())
    await settle()
    clock.call_at(1001.0, lambda: order.append("timer"))
    await clock.advance(1)

    assert order == ["timer", "task"]
    await running


async def test_a_timer_called_off_does_not_run_and_does_not_wait(clock: ManualClock) -> None:
    """X1 is asserted by `pending`."""
    seen: list[str] = []
    timer = clock.call_at(1001.0, lambda: seen.append("ran"))
    timer.cancel()
    pending = clock.pending()
    await clock.advance(2)

    assert (pending, seen) == (0, [])


async def test_a_cancelled_sleep_leaves_no_timer(clock: ManualClock) -> None:
    """Cancelled before its moment, and in its very tick."""
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (1, 2)]
    await settle()
    tasks[0].cancel()
    await settle()
    first = clock.pending()
    clock.call_at(1001.5, tasks[1].cancel)
    await clock.advance(0)
    tasks[1].cancel()
    clock.call_at(1002.0, lambda: None)
    await clock.advance(3)

    assert (first, clock.pending()) == (1, 0)
    assert [task.cancelled() for task in tasks] == [True, True]


async def test_a_sleeper_cancelled_as_its_timer_strikes_is_cancelled(clock: ManualClock) -> None:
    """The cancellation comes first in the tick; the timer finds the future gone."""
    sleeper: asyncio.Task[None] | None = None

    def cancel() -> None:
        assert sleeper is not None
        sleeper.cancel()

    clock.call_at(1001.0, cancel)
    sleeper = asyncio.create_task(clock.sleep(1))
    await clock.advance(1)

    assert sleeper.cancelled()


async def test_a_sleep_of_nothing_needs_no_clock(clock: ManualClock) -> None:
    """As on the real clock it is one turn of the loop."""
    task = asyncio.create_task(clock.sleep(0))
    await settle()

    assert task.done()


async def test_time_never_runs_backwards(clock: ManualClock) -> None:
    """A target in the past is now."""
    await clock.advance_to(900.0)

    assert clock.now() == 1000.0


async def test_g7_run_jumps_from_timer_to_timer(clock: ManualClock) -> None:
    """G7: an hour of waiting takes no time."""

    async def hour() -> str:
        for _ in range(3600):
            await clock.sleep(1)
        return "done"

    assert await clock.run(hour()) == "done"
    assert clock.now() == 4600.0


async def test_run_passes_timers_that_were_called_off(clock: ManualClock) -> None:
    """Time does not stop where nothing happens."""

    async def work() -> float:
        clock.call_at(1001.0, lambda: None).cancel()
        await clock.sleep(5)
        return clock.now()

    assert await clock.run(work()) == 1005.0


async def test_run_says_so_when_nothing_can_ever_happen(clock: ManualClock) -> None:
    """A test that would hang fails at once, and the stuck task is gone."""
    stuck = asyncio.get_running_loop().create_future()
    clock.call_at(math.inf, lambda: None)

    async def wait() -> None:
        await stuck

    with pytest.raises(RuntimeError, match="no timer is set"):
        await clock.run(wait())
    await settle()

    assert stuck.cancelled()


async def test_run_raises_what_the_work_raises(clock: ManualClock) -> None:
    """As itself."""

    async def fail() -> None:
        await clock.sleep(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await clock.run(fail())


async def test_settle_gives_up_on_work_that_never_rests() -> None:
    """A busy loop is reported, not waited for."""
    loop = asyncio.get_running_loop()
    handles: list[asyncio.Handle] = []

    def again() -> None:
        handles[:] = [loop.call_soon(again)]

    again()
    with pytest.raises(RuntimeError, match="never came to rest"):
        await settle()
    handles[0].cancel()
