"""A shared store that may be away: outages, garbage, cancelled callers."""

import asyncio
import zlib
from collections.abc import Callable

import pytest

from stagedoor._cache.entry import BORN, Entry, encode
from stagedoor._cache.shared import SharedStats
from stagedoor._cache.store import Lookup
from stagedoor._cache.tags import TagVersion
from stagedoor._clock import Timer
from stagedoor._events import StoreAnswered, StoreFailed, StoreRestored
from stagedoor.testing import ManualClock, settle
from stagedoor.testing.stores import FakeServer
from tests.stagedoor.cache.processes import FAULTS, Process, beside, started


async def test_k1_before_the_first_answer_nothing_is_asked() -> None:
    """K1: a process starts without its store, and the store joins when it answers."""
    clock = ManualClock()
    process = Process(clock, FakeServer(clock))
    first = await process.store.get(b"k", 30.0)
    await settle()

    assert first == Lookup(None, "redis", TagVersion(0, 0))
    assert process.store.up
    assert await process.keep()
    assert process.events.of(StoreFailed) == []
    await process.store.aclose()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_k1_a_store_absent_at_start_is_no_error(fault: Callable[[FakeServer], None]) -> None:
    """K1: it is told once, and the store is used when it comes."""
    clock = ManualClock()
    process = Process(clock, FakeServer(clock))
    fault(process.server)
    start = asyncio.create_task(process.store.start())
    await clock.advance(3.0)
    await start

    assert len(process.outages()) == 1
    assert await process.get() is None
    assert not await process.keep()
    process.server.heal()
    await clock.advance(1.0)
    assert await process.keep()
    await process.store.aclose()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_k1_an_outage_costs_one_time_out_at_most_and_is_told_once(
    fault: Callable[[FakeServer], None],
) -> None:
    """K1: whoever waits is released at once; after that nothing is asked by requests, and nothing waits."""
    process = await started()
    await process.keep()
    fault(process.server)
    before = process.clock.now()
    waiting = [asyncio.create_task(process.get(b"%d" % number)) for number in range(50)]
    await process.clock.advance(0.020)
    assert [task.done() for task in waiting] == [True] * 50
    await process.clock.advance(1.0)
    asked = len(process.server.asked)
    for _ in range(100):
        assert await process.get() is None

    assert process.clock.now() == before + 1.02
    assert len(process.server.asked) == asked
    assert len(process.outages()) == 1
    assert process.store.stats() == SharedStats("down", waiting=0, queued=0, dropped=0)
    await process.store.aclose()


async def test_k1_what_keeps_a_lost_store_away_is_told_as_soon_as_it_is_known() -> None:
    """F6: that its connections ended is the least of it; the password that it wants since is the cause."""
    process = await started()
    process.server.fail("connection lost")
    await process.get()
    process.server.fail("NOAUTH")
    await process.clock.advance(1.0)

    assert process.outages() == ["connection lost", "NOAUTH"]
    assert process.store.trouble == "NOAUTH"
    process.server.heal()
    await process.clock.advance(0.5)
    assert process.store.trouble == ""
    await process.store.aclose()


async def test_k1_who_is_released_from_waiting_tells_of_no_trouble() -> None:
    """F6: fifty look-ups that end with the connection are not fifty late answers."""
    process = await started()
    process.server.hang()
    waiting = [asyncio.create_task(process.get(b"%d" % number)) for number in range(50)]
    await settle()
    process.server.fail("connection lost")
    await asyncio.gather(*waiting)

    assert process.outages() == ["connection lost"]
    await process.store.aclose()


async def test_k1_a_down_store_is_not_waited_for() -> None:
    """K1: a look-up that cannot be answered waits for nothing: it ends where it is first stepped."""
    process = await started()
    process.server.fail()
    await process.get()

    with pytest.raises(StopIteration):
        process.get().send(None)
    await process.store.aclose()


async def test_k2_a_store_that_returns_is_used_again_after_one_probe() -> None:
    """K2: within two seconds, by one question, without a stampede; and it is told."""
    process = await started()
    await process.keep()
    process.server.fail()
    await process.get()
    await process.clock.advance(10.0)
    process.server.heal()
    process.server.asked.clear()
    await process.clock.advance(0.25)

    assert process.server.asked == ["news"]
    assert await process.get() == b"v"
    moves = [event for event in process.events if not isinstance(event, StoreAnswered)]
    assert moves == [StoreFailed("redis", "ConnectionRefusedError"), StoreRestored("redis")]
    await process.store.aclose()


async def test_k2_a_hung_store_is_probed_by_one_question_at_a_time() -> None:
    """K2: probes end by a time limit of their own and do not pile up."""
    process = await started()
    process.server.hang()
    process.server.asked.clear()
    await process.clock.advance(3.0)

    assert process.server.asked == ["news"] * 4
    process.server.heal()
    await process.clock.advance(0.75)
    assert process.store.up
    await process.store.aclose()


async def test_k1_a_stall_of_our_own_is_no_outage() -> None:
    """K1: a timer that comes late found the loop busy; the answer gets another look."""

    class Busy(ManualClock):
        late = 0.0

        def call_at(self, moment: float, callback: Callable[[], object]) -> Timer:
            return super().call_at(moment + self.late, callback)

    clock = Busy()
    process = await started(clock)
    process.server.hang()
    clock.late = 0.006
    waiting = asyncio.create_task(process.get())
    await settle()
    clock.late = 0.0
    await clock.advance(0.026)
    assert not waiting.done()
    await clock.advance(0.005)

    assert waiting.done()
    assert process.outages() == ["timeout"]
    await process.store.aclose()


async def test_k6_a_cancelled_look_up_harms_nobody() -> None:
    """K6, X2: cancellation is no outage and leaves no place taken."""
    process = await started()
    process.server.lag(0.010)
    waiting = asyncio.create_task(process.get())
    other = asyncio.create_task(process.get())
    await settle()
    assert process.store.counts() == {"tasks": 0, "store_operations": 2}
    waiting.cancel()
    await process.clock.advance(0.010)

    assert waiting.cancelled()
    assert other.done()
    assert process.store.up
    assert process.store.counts() == {"tasks": 0, "store_operations": 0}
    await process.store.aclose()


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda data: data[:-3],
        lambda data: data + b"x",
        lambda _: b"garbage",
        lambda _: encode(Entry(b"k2", b"theirs", 30.0), 1, 2**60),
    ],
)
async def test_k8_corrupt_or_foreign_bytes_are_a_miss(change: Callable[[bytes], bytes]) -> None:
    """K6, K8: another key's entry is found out, broken bytes are none, and neither is an outage."""
    process = await started()
    await process.keep()
    process.server.garble(change)

    assert await process.get() is None
    assert process.store.up
    await process.store.aclose()


async def test_k8_an_entry_that_lives_longer_than_it_should_is_a_miss() -> None:
    """K8: somebody took its end away; its age cannot be known."""
    process = await started()
    heard = process.store.purges.mark.heard
    await process.server.write(b"k", encode(Entry(b"k", b"v", 1.0), 1, heard), 2**60, heard)

    assert await process.get() is None
    await process.store.aclose()


@pytest.mark.parametrize("hours", [1, 24])
async def test_k8_an_older_entry_with_the_life_of_a_newer_one_is_a_miss(hours: int) -> None:
    """K6, K8, F1: somebody has restored it, or a connection mixed two answers about one key."""
    process = await started()
    await process.keep()
    (older,) = process.server.entries().values()
    await process.clock.advance(hours * 3_600.0)
    await process.keep()
    process.server.garble(lambda _: older)

    assert await process.get() is None
    await process.store.aclose()


async def test_k8_an_entry_without_a_moment_of_birth_is_a_miss() -> None:
    """K8, F1: whoever wrote it knew how to end an entry, and not how to begin one."""
    process = await started()
    await process.keep()

    def nameless(data: bytes) -> bytes:
        changed = data[: BORN.start] + b"yesterday, 10:00" + data[BORN.stop : -4]
        return changed + zlib.crc32(changed).to_bytes(4)

    process.server.garble(nameless)

    assert await process.get() is None
    assert process.store.up
    await process.store.aclose()


@pytest.mark.parametrize("back", [0.5, 12.0, 29.0, 3_600.0])
async def test_k3_an_entry_outlives_its_end_by_no_clock_that_is_set_back(back: float) -> None:
    """K3, contract 7: the server would keep it for as much longer; who sees that purges everything, for all."""
    process = await started()
    other = await beside(process)
    await process.keep()
    await process.clock.advance(29.9)
    process.server.set_clock(-back)
    await process.clock.advance(0.5)
    old = [await process.get(), await other.get()]
    await process.keep(b"new")
    new = [await process.get(), await other.get()]

    assert old == [None, None]
    assert new == [b"new", b"new"]
    await process.store.aclose()
    await other.store.aclose()


async def test_k3_the_first_answer_after_the_clock_was_set_back_is_no_entry() -> None:
    """K3: before the next beat, too."""
    process = await started()
    await process.keep()
    process.server.set_clock(-10.0)

    assert await process.get() is None
    await process.store.aclose()


async def test_k3_late_answers_are_no_clock_that_is_set_back() -> None:
    """K3: neither a slow way there, nor a process that sleeps between two answers, purges anything."""
    process = await started()
    await process.keep()
    process.server.lag(0.015)
    slow = asyncio.ensure_future(process.get())
    await process.clock.advance(0.015)
    process.server.heal()
    await process.clock.advance(20.0)
    process.server.set_clock(0.03)
    await process.clock.advance(0.5)

    assert await slow == b"v"
    assert await process.get() == b"v"
    await process.store.aclose()
