"""The shared store: its own breaker, its watch, its purges, and what it writes behind."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from stagedoor.cache.entry import Entry, encode
from stagedoor.cache.server import News, StoreDown
from stagedoor.cache.shared import Shared, SharedStats
from stagedoor.cache.store import Look
from stagedoor.cache.tags import ALL, Mark, tag
from stagedoor.call import Env
from stagedoor.clock import Timer
from stagedoor.events import StoreFailed, StoreRestored
from stagedoor.testing import Events, ManualClock, settle
from stagedoor.testing.stores import FakeServer

FILMS = (tag("films"),)


@dataclass
class Process:
    """One process with its way to the server."""

    clock: ManualClock
    server: FakeServer
    events: Events = field(default_factory=Events)
    queue: int = 1024

    def __post_init__(self) -> None:
        self.store = Shared(self.server, env=Env(self.clock, lambda: 0.5, self.events), queue=self.queue)

    async def get(self, key: bytes = b"k") -> bytes | None:
        held = (await self.store.get(key, 30.0)).held
        return None if held is None else held.entry.body

    async def keep(self, body: bytes = b"v", key: bytes = b"k", names: tuple[bytes, ...] = ()) -> bool:
        look = await self.store.get(key, 30.0)
        stored = self.store.set(Entry(key, body, 30.0, "", names), look.mark)
        await self.store.idle()
        return stored

    def outages(self) -> list[str]:
        return [event.error for event in self.events.of(StoreFailed)]


async def started(clock: ManualClock | None = None, *, queue: int = 1024) -> Process:
    clock = clock or ManualClock()
    process = Process(clock, FakeServer(clock), queue=queue)
    await process.store.start()
    return process


async def beside(process: Process) -> Process:
    other = Process(process.clock, process.server.partner())
    await other.store.start()
    return other


def refused(server: FakeServer) -> None:
    server.fail("ConnectionRefusedError")


def loading(server: FakeServer) -> None:
    server.fail("LOADING")


def read_only(server: FakeServer) -> None:
    server.read_only("READONLY")


def out_of_memory(server: FakeServer) -> None:
    server.read_only("OOM")


FAULTS = [refused, loading, FakeServer.hang, read_only, out_of_memory]


async def test_k1_before_the_first_answer_nothing_is_asked() -> None:
    """K1: a process starts without its store, and the store joins when it answers."""
    clock = ManualClock()
    process = Process(clock, FakeServer(clock))
    first = await process.store.get(b"k", 30.0)
    await settle()

    assert first == Look(None, "redis", Mark(0, 0))
    assert process.store.up
    assert await process.keep()
    assert process.events == []
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
    assert process.events == [StoreFailed("redis", "ConnectionRefusedError"), StoreRestored("redis")]
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
        async def write(self, key: bytes, data: bytes, until: int, heard: int, /) -> tuple[News, bool]:
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

    assert ALL in [name for name, _ in (await process.server.news(1)).purges]
    assert await other.get() is None
    await process.store.aclose()
    await other.store.aclose()


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

    async def news(self, heard: int, /) -> News:
        if self.odd:
            raise ValueError("cannot convert float infinity to integer")
        return await super().news(heard)


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

    async def purge(self, names: Iterable[bytes], heard: int, /) -> News:
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


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_that_is_away_agrees_on_nothing(fault: Callable[[FakeServer], None]) -> None:
    """K1: whoever asks goes on with what they have, at once, and after one time-out if it hangs."""
    process = await started()
    mark = process.store.purges.mark
    fault(process.server)
    asking = asyncio.create_task(process.store.settle(Entry(b"k", b"v", 30.0), mark, 20.0))
    await process.clock.advance(0.021)

    assert await asking is None
    assert await process.store.settle(Entry(b"k", b"v", 30.0), mark, 20.0) is None


async def test_what_cannot_be_read_is_replaced_by_the_agreement() -> None:
    """K6: bytes of nobody's are not everybody's answer."""
    process = await started()
    await process.keep(b"broken")
    process.server.garble(lambda data: data[:-1])
    held = await process.store.settle(Entry(b"k", b"v", 30.0), process.store.purges.mark, 20.0)
    process.server.heal()

    assert held is not None
    assert (held.entry.body, await process.get()) == (b"v", b"v")


async def test_an_agreement_gives_up_where_purges_never_end() -> None:
    """Three tries, as for any write: the answer is its caller's own."""

    class Purging(FakeServer):
        async def settle(
            self, key: bytes, data: bytes, until: int, heard: int, young: int, /
        ) -> tuple[News, bool, bytes | None, float]:
            return (await super().settle(key, data, until, heard, young))[0], False, None, 0.0

    clock = ManualClock()
    process = Process(clock, Purging(clock))
    await process.store.start()

    assert await process.store.settle(Entry(b"k", b"v", 30.0), process.store.purges.mark, 20.0) is None
