"""Long work is started again, whatever ended it."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._supervision import next_pause, supervised
from stagedoor.testing import ManualClock, settle


class Work:
    """Falls of one error after the other, each after some seconds; then it runs until it is told to end."""

    def __init__(self, clock: ManualClock, *falls: tuple[float, BaseException]) -> None:
        self.clock = clock
        self.falls = list(falls)
        self.begun: list[float] = []
        self.told: list[str] = []
        self.end = asyncio.Event()

    async def __call__(self) -> None:
        self.begun.append(round(self.clock.now() - 1000.0, 3))
        if not self.falls:
            await self.end.wait()
            return
        seconds, error = self.falls.pop(0)
        await self.clock.sleep(seconds)
        raise error

    def keep(self) -> "asyncio.Task[None]":
        return asyncio.create_task(
            supervised(self, self.clock, "work", lambda name, error: self.told.append(f"{name} {error!r}"))
        )


async def test_f1_work_that_falls_is_started_again_after_pauses_that_grow(clock: ManualClock) -> None:
    """F1: whatever it falls of; at first soon, at most a second apart."""
    work = Work(clock, *[(0.0, ValueError("inf"))] * 6)
    task = work.keep()
    await clock.advance(10.0)
    work.end.set()
    await task

    assert work.begun == [0.0, 0.1, 0.3, 0.7, 1.5, 2.5, 3.5]


async def test_f1_a_fall_is_told_once_and_another_kind_again(clock: ManualClock) -> None:
    """F1: with its reason; what repeats does not flood the log."""
    falls = [ValueError(1), ValueError(2), KeyError(3), KeyError(4), ValueError(5)]
    work = Work(clock, *((0.0, error) for error in falls))
    task = work.keep()
    await clock.advance(10.0)
    work.end.set()
    await task

    assert work.told == ["work ValueError(1)", "work KeyError(3)", "work ValueError(5)"]


async def test_f1_what_ran_well_for_a_minute_begins_anew(clock: ManualClock) -> None:
    """F1: the same fall a day later is news, and its pause is short again."""
    work = Work(clock, (0.0, ValueError(1)), (0.0, ValueError(2)), (60.0, ValueError(3)))
    task = work.keep()
    await clock.advance(70.0)
    work.end.set()
    await task

    assert work.told == ["work ValueError(1)", "work ValueError(3)"]
    assert work.begun == [0.0, 0.1, 0.3, 60.4]


async def test_f1_work_that_returns_has_ended(clock: ManualClock) -> None:
    """It may be work that comes to an end."""
    work = Work(clock)
    work.end.set()
    await work.keep()

    assert work.begun == [0.0]


@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_f1_cancelling_ends_it_at_work_and_in_a_pause(clock: ManualClock, seconds: float) -> None:
    """F1, X3: a stop is no fall."""
    work = Work(clock, *[(0.0, ValueError())] * (seconds > 0))
    task = work.keep()
    await clock.advance(seconds)
    task.cancel()
    await settle()

    assert task.cancelled()
    assert (len(work.begun), clock.pending()) == (1, 0)


async def test_f1_a_cancellation_of_something_else_is_a_fall(clock: ManualClock) -> None:
    """F1: the future that it awaited was cancelled; nobody wanted the work gone."""
    work = Work(clock, (0.0, asyncio.CancelledError()))
    task = work.keep()
    await clock.advance(1.0)
    work.end.set()
    await task

    assert work.begun == [0.0, 0.1]


async def test_f1_a_fall_is_logged_with_its_places(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """F1: by default to the standard logger, where the gateway's log takes it up."""
    work = Work(clock, (0.0, ValueError("inf")))
    task = asyncio.create_task(supervised(work, clock, "redis watch"))
    with caplog.at_level(logging.ERROR):
        await clock.advance(1.0)
    work.end.set()
    await task
    (record,) = caplog.records

    assert (record.name, record.getMessage()) == (
        "stagedoor._supervision",
        "redis watch fell of ValueError and is started again",
    )
    assert record.exc_info is not None


async def test_f1_who_tells_may_fall_too(clock: ManualClock) -> None:
    """F1: a log that is gone must not end what it told of."""
    work = Work(clock, (0.0, ValueError()))

    def broken(_: str, __: BaseException) -> None:
        raise BrokenPipeError

    task = asyncio.create_task(supervised(work, clock, "work", broken))
    await clock.advance(1.0)
    work.end.set()
    await task

    assert work.begun == [0.0, 0.1]


@given(lives=st.lists(st.floats(0, 120), max_size=50))
def test_f1_a_pause_is_never_longer_than_a_second(lives: list[float]) -> None:
    """F1, K2: what returns is in use again within two."""
    pause = 0.0
    for lived in lives:
        pause = next_pause(pause, lived)

        assert 0.1 <= pause <= 1.0
