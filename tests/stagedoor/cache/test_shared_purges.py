"""Purges in a shared store: heard everywhere, told after an outage."""

import asyncio
import tracemalloc

import pytest

from stagedoor._cache.entry import Entry
from stagedoor._cache.server import Invalidations
from stagedoor._cache.tags import ALL, key_name, tag
from stagedoor.testing import ManualClock, settle
from stagedoor.testing.stores import FakeServer
from tests.stagedoor.cache.processes import FILMS, Process, beside, started


async def test_g4_a_purge_is_heard_by_other_processes_within_a_second() -> None:
    """G4: also by one that asks nothing."""
    process = await started()
    other = await beside(process)
    before = other.store.purges.mark
    told = await process.store.purge(FILMS)
    await process.clock.advance(0.25)

    assert told
    assert other.store.purges.reached(b"k", FILMS, before.position)
    assert not other.store.purges.reached(b"k", (), before.position)
    await process.store.aclose()
    await other.store.aclose()


async def test_g4_a_read_knows_of_a_purge_that_was_not_yet_heard() -> None:
    """G4: every answer of the server brings the news."""
    process = await started()
    other = await beside(process)
    await process.keep(names=FILMS)
    assert await other.get() == b"v"
    await process.store.purge(FILMS)

    assert await other.get() is None
    await process.store.aclose()
    await other.store.aclose()


async def test_g4_news_that_arrive_twice_are_noted_once() -> None:
    """G4: two answers under way bring the same purge; what was kept between them stays."""
    process = await started()
    other = await beside(process)
    await other.store.purge(FILMS)
    process.server.lag(0.010)
    position = process.store.purges.mark.position
    await asyncio.gather(process.get(b"a"), process.get(b"b"), process.clock.advance(0.010))

    assert process.store.purges.mark.position == position + 1
    await process.store.aclose()
    await other.store.aclose()


async def test_k3_a_server_that_fails_while_it_is_told_stays_down() -> None:
    """K3: no answer is read before the purges of the outage are told."""
    process = await started()
    process.server.fail()
    await process.store.purge(FILMS)
    process.server.heal()
    process.server.hang()
    await process.clock.advance(1.0)
    before = process.store.up
    process.server.heal()
    await process.clock.advance(0.75)

    assert not before
    assert process.store.up
    await process.store.aclose()


@pytest.mark.parametrize("names", [(), FILMS])
async def test_g4_the_server_does_not_take_what_a_purge_elsewhere_called_out(
    names: tuple[bytes, ...],
) -> None:
    """G4: looked up here, purged there, stored here; another purge alone only costs a second try."""
    process = await started()
    other = await beside(process)
    look = await process.store.get(b"k", 30.0)
    await other.store.purge(FILMS)
    process.store.set(Entry(b"k", b"old", 30.0, "", names), look.mark)
    await process.store.idle()

    assert list(process.server.entries()) == ([] if names else [b"k"])
    await process.store.aclose()
    await other.store.aclose()


async def test_a_write_that_never_finds_peace_is_given_up() -> None:
    """A flood of purges does not keep the writer for ever."""

    class Restless(FakeServer):
        async def write(
            self, key: bytes, data: bytes, until: int, heard: int, /
        ) -> tuple[Invalidations, bool]:
            return (await super().write(key, data, until, heard))[0], False

    clock = ManualClock()
    process = Process(clock, Restless(clock))
    await process.store.start()
    await process.keep()

    assert process.server.asked.count("write") == 3
    assert process.store.up
    await process.store.aclose()


async def test_k3_a_purge_during_an_outage_is_told_afterwards() -> None:
    """K3: the caller hears that it is not everywhere yet, and nothing is read before it is."""
    process = await started()
    other = await beside(process)
    await process.keep(names=FILMS)
    process.server.fail()
    told = await process.store.purge(FILMS)
    again = await process.store.purge(FILMS)
    position = process.store.purges.mark.position
    process.server.heal()
    await process.clock.advance(0.25)

    assert (told, again) == (False, False)
    assert position == 3  # the first news, and each try
    assert await process.get() is None
    assert await other.get() is None
    await process.store.aclose()
    await other.store.aclose()


@pytest.mark.parametrize("name", [FILMS[0], key_name(b"k"), ALL])
async def test_g4_a_purge_while_the_server_is_told_of_others_is_not_forgotten(name: bytes) -> None:
    """G4: the server came back in use, and for a quarter of a second gave out what it had not been told of."""
    process = await started()
    await process.keep(names=FILMS)
    process.server.fail()
    await process.store.purge([tag("others")])
    process.server.heal()
    process.server.lag(0.010)
    await process.clock.advance(0.250 + 0.015)
    asked = process.server.asked[-1]
    await process.store.purge([name])
    await process.clock.advance(0.006)
    reading = asyncio.ensure_future(process.get())
    await process.clock.advance(0.010)

    assert (asked, process.store.up) == ("purge", True)
    assert await reading is None
    process.server.heal()
    await process.store.aclose()


async def test_k3_a_purge_that_is_cancelled_is_told_nevertheless() -> None:
    """K3: nobody waits for it any more, but it was wanted."""
    process = await started()
    await process.keep(names=FILMS)
    process.server.lag(0.015)
    purge = asyncio.create_task(process.store.purge(FILMS))
    await settle()
    purge.cancel()
    await settle()
    process.server.heal()
    await process.clock.advance(0.3)

    assert purge.cancelled()
    assert await process.get() is None
    await process.store.aclose()


async def test_k3_a_name_purged_again_while_it_is_told_is_told_again() -> None:
    """K3: the first telling says nothing of what was stored after it."""
    process = await started()
    process.server.lag(0.010)
    one = asyncio.create_task(process.store.purge(FILMS))
    await process.clock.advance(0.005)
    two = asyncio.create_task(process.store.purge(FILMS))
    await process.clock.advance(0.005)
    process.server.fail()
    await process.clock.advance(0.010)

    assert (await one, await two) == (True, True)
    assert process.server.asked.count("purge") == 2
    await process.store.aclose()


async def test_k3_a_purge_that_failed_is_not_forgotten_when_another_was_told() -> None:
    """K3: each name leaves the list only by its own telling."""
    process = await started()
    other = await beside(process)
    await process.keep(names=FILMS)
    process.server.lag(0.010)
    one = asyncio.create_task(process.store.purge([tag("genres")]))
    await process.clock.advance(0.005)
    two = asyncio.create_task(process.store.purge(FILMS))
    await process.clock.advance(0.005)
    process.server.fail()
    await process.get()
    told = (await one, await two)
    process.server.heal()
    await process.clock.advance(0.25)

    assert told == (True, False)
    assert await other.get() is None
    await process.store.aclose()
    await other.store.aclose()


async def test_k3_purges_that_wait_are_bounded() -> None:
    """K3: a long outage turns many names into ALL."""
    process = await started()
    other = await beside(process)
    await process.keep()
    process.server.fail()
    await process.store.purge(tag(str(number)) for number in range(10_001))
    process.server.heal()
    await process.clock.advance(0.5)

    assert ALL in [name for name, _ in (await process.server.invalidations(1)).purges]
    assert await other.get() is None
    await process.store.aclose()
    await other.store.aclose()


async def test_x1_purges_that_wait_are_bounded_while_the_server_is_away() -> None:
    """X1: an address that is wrong for a week is no leak, whoever purges what."""
    process = await started()
    process.server.fail()
    await process.store.purge(FILMS)
    tracemalloc.start()
    for number in range(30_000):
        await process.store.purge([tag(f"{number:01000}")])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    process.server.heal()
    await process.clock.advance(0.5)

    assert held < 25_000_000  # 10,000 names are remembered, and as many wait, which are the same
    assert ALL in [name for name, _ in (await process.server.invalidations(1)).purges]
    await process.store.aclose()


async def test_k3_a_server_that_lost_its_memory_flushes_everybody() -> None:
    """K3: purges may have been lost with it, so nothing from before is used."""
    process = await started()
    other = await beside(process)
    await process.store.purge(FILMS)
    before = other.store.purges.mark.position
    process.server.lose()
    assert await process.get() is None  # it knows less than we do: not an answer to trust
    await process.clock.advance(0.5)

    assert other.store.purges.reached(b"k", (), before)
    assert await process.keep(names=FILMS)
    assert await other.get() == b"v"
    await process.store.aclose()
    await other.store.aclose()


async def test_k3_a_purge_at_a_server_that_lost_its_memory_hides_no_loss() -> None:
    """K3: the log is as new as before afterwards, and what another process has not heard yet is not in it."""
    process = await started()
    other = await beside(process)
    await process.keep(names=FILMS)
    before = await other.get()
    await process.store.purge(FILMS)
    process.server.lose()
    await process.store.purge([tag("genres")])
    await process.clock.advance(0.5)

    assert before == b"v"
    assert other.store.purges.reached(b"k", FILMS, 1)
    await process.store.aclose()
    await other.store.aclose()
