"""Writes to a shared store: in order, bounded, dropped by an outage."""

import asyncio
from collections.abc import Iterable

from stagedoor._cache.entry import Entry
from stagedoor._cache.server import Invalidations, StoreDown
from stagedoor._cache.shared import SharedStats
from stagedoor.testing import ManualClock
from stagedoor.testing.stores import FakeServer
from tests.stagedoor.cache.processes import FILMS, Process, beside, refused, started


async def test_k2_a_late_write_does_not_overwrite_a_newer_answer() -> None:
    """K2: it lay in the socket of a hung server, which carries it out when it wakes."""
    process = await started()
    other = await beside(process)
    process.server.hang()
    process.store.set(Entry(b"k", b"old", 30.0), process.store.purges.mark)
    await process.clock.advance(1.0)
    await other.keep(b"new")
    process.server.heal()

    assert await other.get() == b"new"
    await process.store.aclose()
    await other.store.aclose()


async def test_k7_a_late_write_does_not_live_longer() -> None:
    """K7: an entry ends so many seconds after it was fetched, not after the server woke up."""
    process = await started()
    process.server.hang()
    process.store.set(Entry(b"k", b"v", 30.0), process.store.purges.mark)
    await process.clock.advance(20.0)
    process.server.heal()
    await process.clock.advance(1.0)
    assert await process.get() == b"v"
    await process.clock.advance(9.0)

    assert await process.get() is None
    await process.store.aclose()


async def test_x4_what_waits_to_be_written_is_bounded_and_the_newest_of_its_key() -> None:
    """X4: a slow server costs entries, not memory."""
    process = await started(queue=2)
    mark = process.store.purges.mark
    stored = [
        process.store.set(Entry(key, body, 30.0), mark)
        for key, body in [(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"a", b"2")]
    ]
    assert repr(process.store) == "<Shared redis up, 2 to write>"
    assert process.store.counts() == {"tasks": 1, "store_operations": 0}
    await process.store.idle()

    assert stored == [True, True, False, True]
    assert sorted(process.server.entries()) == [b"a", b"b"]
    assert await process.get(b"a") == b"2"
    assert process.store.stats().dropped == 1
    await process.store.aclose()


async def test_k1_a_write_that_the_server_refuses_is_an_outage_and_no_error() -> None:
    """K1: whoever kept the answer has it already; the store goes down and says so once."""
    process = await started()
    refused(process.server)
    process.store.set(Entry(b"k", b"v", 30.0), process.store.purges.mark)

    await process.store.idle()

    assert process.store.stats() == SharedStats("down", waiting=0, queued=0, dropped=0)
    assert process.outages() == ["ConnectionRefusedError"]
    await process.store.aclose()


async def test_k1_what_waits_to_be_written_is_dropped_by_an_outage() -> None:
    """K1: nothing is written into a server that has just come back from the dead."""
    process = await started()
    process.server.hang()
    for key in (b"a", b"b", b"c"):
        process.store.set(Entry(key, b"v", 30.0), process.store.purges.mark)
    asked = asyncio.create_task(process.get())
    await process.clock.advance(0.1)
    await asked

    assert process.store.stats() == SharedStats("down", waiting=0, queued=0, dropped=2)
    await process.store.aclose()


async def test_x4_closing_writes_and_tells_what_waits_and_leaves_no_task() -> None:
    """X4, X6: background work has an owner; a closed store starts nothing again."""
    process = await started()
    process.server.fail()
    await process.store.purge(FILMS)
    process.server.heal()
    await process.store.aclose()
    await process.get()

    assert process.server.closed
    assert process.server.asked[-1] == "purge"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_x4_closing_a_store_that_was_never_used_is_harmless() -> None:
    """X6: not every process that has a store asks it."""
    clock = ManualClock()
    process = Process(clock, FakeServer(clock))
    await process.store.aclose()

    assert process.server.closed


class Odd(FakeServer):
    """Answers in a way that nobody foresaw, until told otherwise."""

    odd = False

    async def invalidations(self, heard: int, /) -> Invalidations:
        if self.odd:
            raise ValueError("cannot convert float infinity to integer")
        return await super().invalidations(heard)


async def odd(clock: ManualClock) -> tuple[Odd, Process]:
    server = Odd(clock)
    process = Process(clock, server)
    await process.store.start()
    server.odd = True
    return server, process


async def test_f1_an_answer_that_nobody_foresaw_ends_no_watch(clock: ManualClock) -> None:
    """F1, K2: one odd answer once turned the store off until the process was started again."""
    server, process = await odd(clock)
    await clock.advance(5.0)
    during = (process.store.up, process.outages())
    server.odd = False
    await clock.advance(0.25)
    kept = await process.keep()

    assert during == (False, ["ValueError"])
    assert (process.store.up, kept, await process.get()) == (True, True, b"v")
    await process.store.aclose()


async def test_f1_a_reading_that_nobody_foresaw_is_a_miss(clock: ManualClock) -> None:
    """F1, K1: nothing that a store answers fails a request; it is an outage that ends with the next question."""
    process = await started(clock)
    await process.keep()

    def broken(_: bytes) -> bytes:
        raise OverflowError

    process.server.garble(broken)
    found = await process.get()
    down = process.store.up
    process.server.heal()
    await clock.advance(0.25)

    assert (found, down, process.outages()) == (None, False, ["OverflowError"])
    assert await process.get() == b"v"
    await process.store.aclose()


async def test_f1_one_entry_that_cannot_be_written_keeps_no_other_back(clock: ManualClock) -> None:
    """F1: a key too long for its head is an error of ours; what waits behind it is written all the same."""
    process = await started(clock)
    mark = process.store.purges.mark
    process.store.set(Entry(b"long", b"v", 30.0, "s" * 70_000), mark)
    process.store.set(Entry(b"k", b"v", 30.0), mark)
    await clock.advance(1.0)

    assert await process.get() == b"v"
    assert process.store.counts() == {"tasks": 0, "store_operations": 0}
    await process.store.aclose()


class Deaf(FakeServer):
    """One that answers, and at times cannot be told of purges."""

    deaf = False

    async def purge(self, names: Iterable[bytes], heard: int, /) -> Invalidations:
        if self.deaf:
            raise StoreDown("OOM")
        return await super().purge(names, heard)


async def test_k3_a_server_that_answers_and_cannot_be_told_stays_down(clock: ManualClock) -> None:
    """K3, F1: what was purged during an outage must be out before anybody reads there again."""
    server = Deaf(clock)
    process = Process(clock, server)
    await process.store.start()
    await process.keep(names=FILMS)
    server.fail()
    await process.get()
    await process.store.purge(FILMS)
    server.heal()
    server.deaf = True
    await clock.advance(1.0)
    while_deaf = process.store.up
    server.deaf = False
    await clock.advance(1.0)

    assert (while_deaf, process.store.up, await process.get()) == (False, True, None)
    await process.store.aclose()
