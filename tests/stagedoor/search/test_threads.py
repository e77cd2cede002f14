"""A search cannot be cancelled: its place is taken until its thread is back."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from stagedoor import _context as context
from stagedoor._clock import SystemClock
from stagedoor._deadline import DueTime
from stagedoor.errors import Overloaded, UpstreamTimeout
from stagedoor.search.threads import Threads
from stagedoor.testing import call_of

CLOCK = SystemClock()


class Work:
    """Blocking work that ends when it is told to."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.finish = threading.Event()

    def __call__(self) -> str:
        self.started.set()
        assert self.finish.wait(10)
        return "done"


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    made = Threads(1, 1, CLOCK, "test")
    yield made
    await made.aclose()


def by(seconds: float) -> DueTime:
    return DueTime(CLOCK.now() + seconds)


async def rested(threads: Threads) -> None:
    """Wait until every thread is back."""
    async with asyncio.timeout(30):
        while threads.counts() != {"permits": 0, "waiting": 0}:  # noqa: ASYNC110 - a thread tells no event
            await asyncio.sleep(0.001)


async def test_work_is_done_off_the_loop(threads: Threads) -> None:
    """Nothing blocking runs on the event loop."""
    where = await threads.run(call_of("x"), threading.get_ident)

    assert where != threading.get_ident()
    await rested(threads)


async def test_what_the_work_raises_is_raised(threads: Threads) -> None:
    """The engine says what its errors mean; the threads pass them on and are free again."""

    def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await threads.run(call_of("x"), broken)
    await rested(threads)


async def test_d4_a_deadline_that_has_passed_costs_nothing(threads: Threads) -> None:
    """D4: no thread is asked for work that nobody waits for."""
    work = Work()

    with pytest.raises(UpstreamTimeout):
        await threads.run(call_of("x", deadline=by(-1)), work)
    assert not work.started.is_set()


async def test_a_late_search_is_answered_late_and_keeps_its_place(threads: Threads) -> None:
    """The caller hears of the deadline; the permit comes back with the thread, not before."""
    work = Work()
    with pytest.raises(UpstreamTimeout):
        await threads.run(call_of("x", deadline=by(0.02)), work)
    taken = dict(threads.counts())
    work.finish.set()

    assert taken == {"permits": 1, "waiting": 0}
    await rested(threads)


async def test_x1_a_cancelled_search_keeps_its_place_until_its_thread_is_back(threads: Threads) -> None:
    """X1: permits return to their number, whoever gave up in between."""
    work = Work()
    task = asyncio.create_task(threads.run(call_of("x"), work))
    await asyncio.to_thread(work.started.wait)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    taken = dict(threads.counts())
    work.finish.set()

    assert task.cancelled()
    assert taken == {"permits": 1, "waiting": 0}
    await rested(threads)


async def test_a_call_waits_for_a_thread_and_is_served(threads: Threads) -> None:
    """With one thread busy, one call more waits; it is served when the thread is back."""
    work = Work()
    first = asyncio.create_task(threads.run(call_of("x"), work))
    second = asyncio.create_task(threads.run(call_of("x"), lambda: "second"))
    await asyncio.to_thread(work.started.wait)
    waiting = dict(threads.counts())
    work.finish.set()

    assert tuple(await asyncio.gather(first, second)) == ("done", "second")
    assert waiting == {"permits": 1, "waiting": 1}
    await rested(threads)


async def test_o6_a_full_queue_is_told_at_once(threads: Threads) -> None:
    """O6: shedding costs nothing: no wait, and a word when to come back."""
    work = Work()
    first = asyncio.create_task(threads.run(call_of("x"), work))
    second = asyncio.create_task(threads.run(call_of("x"), lambda: "second"))
    await asyncio.to_thread(work.started.wait)

    with pytest.raises(Overloaded) as caught:
        await threads.run(call_of("x"), lambda: "third")
    assert caught.value.retry_after == 1.0
    work.finish.set()
    await asyncio.gather(first, second)
    await rested(threads)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_x1_who_gives_up_waiting_leaves_the_queue(threads: Threads, *, cancelled: bool) -> None:
    """X1: by deadline or by cancellation, a place in the queue is given back, and the next one is served."""
    work = Work()
    first = asyncio.create_task(threads.run(call_of("x"), work))
    await asyncio.to_thread(work.started.wait)
    second = asyncio.create_task(
        threads.run(call_of("x", deadline=by(5 if cancelled else 0.02)), lambda: "second")
    )
    await asyncio.sleep(0)
    if cancelled:
        second.cancel()
    (gone,) = await asyncio.gather(second, return_exceptions=True)
    third = asyncio.create_task(threads.run(call_of("x"), lambda: "third"))
    work.finish.set()

    assert isinstance(gone, asyncio.CancelledError if cancelled else Overloaded)
    assert tuple(await asyncio.gather(first, third)) == ("done", "third")
    await rested(threads)


async def test_x1_a_place_given_in_the_tick_of_a_cancellation_is_handed_on(threads: Threads) -> None:
    """X1: a waiter that was granted and cancelled in one tick must not keep the permit."""
    work = Work()
    first = asyncio.create_task(threads.run(call_of("x"), work))
    await asyncio.to_thread(work.started.wait)
    second = asyncio.create_task(threads.run(call_of("x"), lambda: "second"))
    await asyncio.sleep(0)
    # The first one's return grants the place; the second is cancelled before it wakes up.
    granted = next(iter(threads._permits._lines["detail"]))  # noqa: SLF001 - the very tick is the point
    granted.add_done_callback(lambda _: second.cancel())
    work.finish.set()
    await asyncio.gather(first, second, return_exceptions=True)

    assert second.cancelled()
    await rested(threads)
    assert await threads.run(call_of("x"), lambda: "next") == "next"


async def test_o6_a_queue_that_is_full_of_searches_has_room_for_what_is_more_urgent(threads: Threads) -> None:
    """O6: who looks one thing up has its share, however many lists are asked for."""
    work, order = Work(), list[str]()

    async def asks(priority: context.Priority) -> None:
        context.enter(context.RequestContext(priority=priority))
        await threads.run(call_of("x"), lambda: order.append(priority))

    first = asyncio.create_task(threads.run(call_of("x"), work))
    await asyncio.to_thread(work.started.wait)
    search = asyncio.create_task(asks("search"))
    await asyncio.sleep(0)
    urgent = asyncio.create_task(asks("operations"))
    await asyncio.sleep(0)
    work.finish.set()
    await asyncio.gather(first, urgent)

    assert order == ["operations"]
    with pytest.raises(Overloaded):
        await search
    await rested(threads)
