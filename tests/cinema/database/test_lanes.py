"""Threads of our own: results come back to whom they belong, and a long work holds up no other."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cinema.database.lanes import Lane, Lanes


def plainly(work: Callable[[str], Any]) -> object:
    return work(threading.current_thread().name)


def pair(number: int, name: str) -> tuple[int, str]:
    return number, name


def broken(_: str) -> str:
    raise LookupError("gone")


async def test_each_caller_gets_its_own_result() -> None:
    """Many are reported together; none is mixed up or lost, more than one report's worth of them neither."""
    lane = Lane(plainly, "read")

    results = await asyncio.gather(*(lane.run(partial(pair, number)) for number in range(100)))
    await lane.close()

    assert results == [(number, "read") for number in range(100)]


async def test_a_failure_is_its_caller_s_alone() -> None:
    """Works that were taken together fail one by one."""
    lane = Lane(plainly, "read")

    results = await asyncio.gather(lane.run(broken), lane.run(str), return_exceptions=True)
    await lane.close()

    assert isinstance(results[0], LookupError)
    assert results[1] == "read"


async def test_what_takes_long_holds_up_nobody_else() -> None:
    """A list of a thousand rows must not delay a look-up: the second lane takes it."""
    first = Lane(plainly, "first")
    lanes = Lanes([first, Lane(plainly, "second")])
    begun, end = threading.Event(), threading.Event()

    def long(name: str) -> str:
        begun.set()
        end.wait(10)
        return name

    waiting = asyncio.create_task(lanes.run(long))
    await asyncio.to_thread(begun.wait, 10)
    while not first.is_held_up:
        await asyncio.to_thread(end.wait, 0.001)
    other = await lanes.run(str)
    end.set()

    assert (await waiting, other) == ("first", "second")
    assert await lanes.run(str) == "first"
    await lanes.close()


async def test_a_caller_who_has_gone_is_not_worked_for() -> None:
    """Cancelled while it waits for its turn: the database is not asked."""
    lane = Lane(plainly, "read")
    begun, end, asked = threading.Event(), threading.Event(), threading.Event()

    def long(_: str) -> None:
        begun.set()
        end.wait(10)

    first = asyncio.create_task(lane.run(long))
    await asyncio.to_thread(begun.wait, 10)
    gone = asyncio.create_task(lane.run(lambda _: asked.set()))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    end.set()
    await first
    await lane.close()

    assert not asked.is_set()


async def test_a_lane_that_ends_does_first_what_it_was_asked_for() -> None:
    """Whoever was let in is answered."""
    lane = Lane(plainly, "read")
    asked = [asyncio.create_task(lane.run(str)) for _ in range(3)]
    await asyncio.sleep(0)

    await lane.close()

    assert await asyncio.gather(*asked) == ["read"] * 3


async def test_a_lane_nobody_used_has_nothing_to_end() -> None:
    """No thread is started before the first work."""
    before = threading.active_count()
    lane = Lane(plainly, "read")

    await lane.close()

    assert threading.active_count() == before


def exhausted(_: str) -> str:
    return next(iter(()))


async def test_f1_an_error_that_no_future_can_carry_keeps_nobody_waiting() -> None:
    """F1: StopIteration would break the report, and everybody who is in it would wait for ever."""
    lane = Lane(plainly, "read")

    results = await asyncio.gather(lane.run(exhausted), lane.run(str), return_exceptions=True)
    await lane.close()

    assert [type(result) for result in results] == [RuntimeError, str]


async def test_f1_a_lane_that_could_not_start_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """F1: a system without room for a thread is a failure of one call, not of all that follow."""
    lane, start = Lane(plainly, "read"), threading.Thread.start

    def refuse(_: threading.Thread) -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="thread"):
        await lane.run(str)

    assert await lane.run(str) == "read"
    await lane.close()
