"""Deadlines as values, and the guard that knows its own expiry from the caller's cancellation."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._clock import SystemClock
from stagedoor._deadline import LATE, NEVER, DueTime, TimeoutScope
from stagedoor.testing import ManualClock, settle

MOMENTS = st.floats(-1e9, 1e9)


@given(at=MOMENTS, now=MOMENTS)
def test_what_is_left_is_never_below_zero(at: float, now: float) -> None:
    """D1: a time-out of less than nothing would be an error in whatever takes it."""
    deadline = DueTime(at)

    assert deadline.remaining(now) == max(0.0, at - now)
    assert deadline.passed(now) == (now >= at)


@given(at=MOMENTS, other=MOMENTS)
def test_a_deadline_never_grows(at: float, other: float) -> None:
    """D1, D5: narrowing takes the sooner of both."""
    narrowed = DueTime(at).narrowed(other)

    assert narrowed == DueTime(min(at, other))


def test_a_deadline_that_is_not_narrowed_stays_the_same_object() -> None:
    """Handing on costs nothing; policies tell by identity whether anything changed."""
    deadline = DueTime(5.0)

    assert deadline.narrowed(5.0) is deadline
    assert NEVER.narrowed(math.inf) is NEVER


async def guarded(clock: ManualClock, at: float, log: list[str]) -> str:
    with TimeoutScope(clock, DueTime(at)):
        try:
            await clock.sleep(60)
        except asyncio.CancelledError as error:
            log.append(str(error))
            raise
    return "too late"


async def test_a_block_that_is_late_is_cancelled_and_times_out(clock: ManualClock) -> None:
    """What is inside sees a cancellation that says why; what is outside sees a time-out."""
    log: list[str] = []
    with pytest.raises(TimeoutError) as caught:
        await clock.run(guarded(clock, 1000.5, log))

    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    assert (log, clock.now(), clock.pending()) == ([LATE], 1000.5, 0)


async def test_a_block_in_time_leaves_no_timer(clock: ManualClock) -> None:
    """X1: and the task can be used on; nothing comes later."""
    with TimeoutScope(clock, DueTime(1000.5)):
        await asyncio.sleep(0)
    await clock.advance(1)

    assert clock.pending() == 0


async def test_a_block_that_raises_raises_as_it_is(clock: ManualClock) -> None:
    """Its own errors are none of the guard's business."""
    with pytest.raises(ZeroDivisionError), TimeoutScope(clock, DueTime(1000.5)):
        raise ZeroDivisionError


async def test_without_a_deadline_there_is_no_timer(clock: ManualClock) -> None:
    """A call that may take for ever costs nothing to guard."""
    with TimeoutScope(clock, NEVER):
        pending = clock.pending()

    assert pending == 0


async def test_x2_the_callers_cancellation_leaves_as_itself(clock: ManualClock) -> None:
    """X2: not a time-out, not swallowed; the message is the caller's."""
    log: list[str] = []
    task = asyncio.create_task(guarded(clock, 1000.5, log))
    await settle()
    task.cancel("bye")
    await settle()

    assert (task.cancelled(), log, clock.pending()) == (True, ["bye"], 0)


@pytest.mark.parametrize("first", ["expiry", "caller"])
async def test_x3_both_in_one_tick_is_the_callers_cancellation(clock: ManualClock, first: str) -> None:
    """X3: whichever comes first in the tick, the caller wins."""
    task = asyncio.create_task(guarded(clock, 1000.5, []))
    if first == "caller":
        clock.call_at(1000.5, task.cancel)
        await settle()
    else:
        await settle()
        clock.call_at(1000.5, task.cancel)
    await clock.advance(0.5)

    assert task.cancelled()
    assert task.cancelling() == 1


async def test_x3_a_cancellation_is_not_lost_in_an_error_made_of_the_expiry(clock: ManualClock) -> None:
    """X3: the block turned our cancellation into an error of its own in the very tick of the caller's."""

    async def translating() -> None:
        with TimeoutScope(clock, DueTime(1000.5)):
            try:
                await clock.sleep(60)
            except asyncio.CancelledError as error:
                raise ConnectionError("cut") from error

    task = asyncio.create_task(translating())
    await settle()
    clock.call_at(1000.5, task.cancel)
    await clock.advance(0.5)

    assert task.cancelled()


async def test_an_error_made_of_the_expiry_leaves_as_it_is(clock: ManualClock) -> None:
    """A layer inside may know better what the lateness means."""

    async def translating() -> None:
        with TimeoutScope(clock, DueTime(1000.5)):
            try:
                await clock.sleep(60)
            except asyncio.CancelledError as error:
                raise ConnectionError("cut") from error

    with pytest.raises(ConnectionError):
        await clock.run(translating())


async def test_the_inner_of_two_guards_ends_its_own_block_only(clock: ManualClock) -> None:
    """A part may be late while the whole has time left."""

    async def nested() -> str:
        with TimeoutScope(clock, DueTime(1001.0)):
            try:
                await guarded(clock, 1000.5, [])
            except TimeoutError:
                await clock.sleep(0.1)
                return "the rest went on"
        raise AssertionError

    assert await clock.run(nested()) == "the rest went on"


async def test_two_guards_of_one_moment_time_out_once(clock: ManualClock) -> None:
    """Both expire in one tick: the outer one reports, and no cancellation is left over."""

    async def nested() -> int:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(TimeoutError), TimeoutScope(clock, DueTime(1000.5)):
            await guarded(clock, 1000.5, [])
        await clock.sleep(0.1)
        return task.cancelling()

    assert await clock.run(nested()) == 0


async def test_a_guard_works_in_a_task_that_is_being_cancelled(clock: ManualClock) -> None:
    """Cleaning up after a cancellation may be bounded, too."""
    ended: list[str] = []

    async def cleaning_up() -> None:
        try:
            await clock.sleep(60)
        finally:
            try:
                await guarded(clock, 1000.5, [])
            except TimeoutError:
                ended.append("in time")

    task = asyncio.create_task(cleaning_up())
    await settle()
    task.cancel()
    await clock.advance(1)

    assert (ended, task.cancelled()) == (["in time"], True)


async def test_a_guard_on_the_real_clock(clock: ManualClock) -> None:
    """The same on the machine's clock, with a deadline that has passed already."""
    with pytest.raises(TimeoutError), TimeoutScope(SystemClock(), DueTime(0.0)):
        await asyncio.get_running_loop().create_future()


def test_a_guard_outside_a_task_is_a_mistake() -> None:
    """There is nothing that it could cancel."""
    loop = asyncio.new_event_loop()
    caught: list[RuntimeError] = []

    def enter() -> None:
        try:
            with TimeoutScope(ManualClock(), NEVER):
                pass
        except RuntimeError as error:
            caught.append(error)

    loop.call_soon(enter)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    assert [str(error) for error in caught] == ["Expiry guards a block inside a task"]
