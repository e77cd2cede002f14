"""Two tiers: which one answers, what is copied where, and how long memory is trusted."""

import asyncio
from dataclasses import dataclass, field

import pytest

from stagedoor._cache.entry import Entry
from stagedoor._cache.shared import Shared
from stagedoor._cache.store import Lookup
from stagedoor._cache.tags import key_name, tag
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Env
from stagedoor._events import StoreFailed
from stagedoor.testing import Events, ManualClock
from stagedoor.testing.stores import FakeServer

FILMS = (tag("films"),)


@dataclass
class Process:
    """One process with two tiers."""

    clock: ManualClock
    server: FakeServer
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        env = Env(self.clock, lambda: 0.5, self.events)
        self.store = Tiered(Shared(self.server, env=env), env=env)

    async def get(self, lifetime: float = 30.0) -> tuple[bytes | None, str]:
        held, tier, _ = await self.store.get(b"k", lifetime)
        return None if held is None else held.entry.body, tier

    async def keep(self, body: bytes = b"v", names: tuple[bytes, ...] = (), keep: float = 60.0) -> bool:
        look = await self.store.get(b"k", 30.0)
        stored = self.store.set(Entry(b"k", body, keep, "", names), look.mark)
        await self.store.far.idle()
        return stored


@pytest.fixture
async def pair() -> tuple[Process, Process]:
    clock = ManualClock()
    server = FakeServer(clock)
    one, two = Process(clock, server), Process(clock, server.partner())
    await one.store.start()
    await two.store.start()
    return one, two


async def test_memory_answers_without_asking_the_server(pair: tuple[Process, Process]) -> None:
    """The near tier is there to spare the way to the far one."""
    one, _ = pair
    await one.keep()
    one.server.asked.clear()

    assert await one.get() == (b"v", "memory")
    assert one.server.asked == []
    assert one.store.counts() == {"tasks": 0, "store_operations": 0}


async def test_what_another_process_fetched_is_found_and_kept_near(pair: tuple[Process, Process]) -> None:
    """A miss in memory asks the server, once."""
    one, two = pair
    await one.keep()

    assert await two.get() == (b"v", "redis")
    assert await two.get() == (b"v", "memory")
    assert await two.get(lifetime=0.0) == (b"v", "memory")


async def test_the_tier_that_decided_a_miss_is_told(pair: tuple[Process, Process]) -> None:
    """Contract 15: a miss belongs to the last tier that was asked."""
    one, _ = pair
    up = await one.get()
    one.server.fail()
    failing = await one.get()
    down = await one.get()

    assert [up, failing, down] == [(None, "redis"), (None, "redis"), (None, "memory")]


async def test_a_stale_answer_is_worth_a_look_at_the_server(pair: tuple[Process, Process]) -> None:
    """Another process may have renewed it; the newer of both is used."""
    one, two = pair
    await one.keep(b"old")
    await two.get()
    await one.clock.advance(31.0)
    await two.keep(b"new")

    assert await one.get() == (b"new", "redis")
    assert await one.get() == (b"new", "memory")


async def test_a_stale_answer_is_kept_where_the_server_has_none(pair: tuple[Process, Process]) -> None:
    """Stale is better than nothing, and memory had it."""
    one, _ = pair
    one.server.fail()
    await one.keep(b"old")
    await one.clock.advance(31.0)

    assert await one.get() == (b"old", "memory")


async def test_k1_memory_goes_on_without_the_server(pair: tuple[Process, Process]) -> None:
    """K1, contract 5: caching continues in memory, and no entry outlives its time."""
    one, _ = pair
    one.server.fail()
    stored = await one.keep()
    await one.clock.advance(29.0)
    before = await one.get()
    await one.clock.advance(31.0)

    assert stored
    assert before == (b"v", "memory")
    assert await one.get() == (None, "memory")


async def test_k2_what_was_kept_during_an_outage_overwrites_nothing(pair: tuple[Process, Process]) -> None:
    """K2: the server keeps what it has; a process that holds something newer goes on using that."""
    one, two = pair
    one.server.fail()
    await one.get()
    await one.keep(b"mine")
    await one.clock.advance(1.0)
    await two.keep(b"theirs")
    one.server.heal()
    await one.clock.advance(1.0)

    assert await one.get() == (b"mine", "memory")
    assert await one.get(lifetime=0.0) == (b"theirs", "redis")
    assert await two.get() == (b"theirs", "memory")


async def test_k3_a_deaf_process_trusts_tagged_entries_for_five_seconds(
    pair: tuple[Process, Process],
) -> None:
    """K3, contract 9: it might miss a purge; what has no tags waits for none."""
    one, two = pair
    await one.keep(names=FILMS)
    one.server.fail()
    await one.clock.advance(4.5)
    before = await one.get()
    told = await two.store.purge(FILMS)
    await one.clock.advance(0.5)

    assert before == (b"v", "memory")
    assert told
    assert await one.get() == (None, "memory")
    await one.keep(b"plain")
    await one.clock.advance(20.0)
    assert await one.get() == (b"plain", "memory")


async def test_k3_entries_fetched_while_deaf_live_for_five_seconds(pair: tuple[Process, Process]) -> None:
    """K3: from the moment they were fetched."""
    one, _ = pair
    one.server.fail()
    await one.clock.advance(60.0)
    await one.keep(names=FILMS)
    await one.clock.advance(4.9)
    before = await one.get()
    await one.clock.advance(0.1)

    assert before == (b"v", "memory")
    assert await one.get() == (None, "memory")


async def test_k3_a_process_that_hears_trusts_its_memory_for_the_whole_life(
    pair: tuple[Process, Process],
) -> None:
    """K3: the limit is for the deaf."""
    one, _ = pair
    await one.keep(names=FILMS)
    await one.clock.advance(29.0)

    assert await one.get() == (b"v", "memory")


async def test_k3_memory_is_flushed_when_the_server_lost_purges(pair: tuple[Process, Process]) -> None:
    """K3: killed between the write and its telling, and started empty."""
    one, two = pair
    await one.keep(names=FILMS)
    await two.store.purge(FILMS)
    one.server.lose()
    await one.clock.advance(0.25)

    assert await one.get() == (None, "redis")


@pytest.mark.parametrize("names", [list(FILMS), [key_name(b"k")]])
async def test_g4_a_purge_reaches_both_tiers_of_all_processes(
    pair: tuple[Process, Process], names: list[bytes]
) -> None:
    """G4: within a second, by key and by tag."""
    one, two = pair
    await one.keep(names=FILMS)
    await two.get()
    await two.store.purge(names)
    here = await two.get()
    await one.clock.advance(0.25)

    assert here == (None, "redis")
    assert await one.get() == (None, "redis")


async def test_g4_a_purge_while_the_server_is_asked_wins(pair: tuple[Process, Process]) -> None:
    """G4: memory had a stale answer, and a purge came while a newer one was looked for."""
    one, two = pair
    await one.keep(b"old", names=FILMS)
    await one.clock.advance(31.0)
    one.server.lag(0.015)
    asked = asyncio.create_task(one.get())
    await one.clock.advance(0.010)
    await two.store.purge(FILMS)
    await one.clock.advance(0.010)

    assert await asked == (None, "redis")


async def test_x6_closing_ends_the_watch(pair: tuple[Process, Process]) -> None:
    """X6: nothing is left behind."""
    one, two = pair
    await one.store.aclose()
    await two.store.aclose()

    assert one.server.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert isinstance(await one.store.get(b"k", 30.0), Lookup)
    assert repr(one.store) == (
        "<Tiered <MemoryStore 0 items, 0 of 67108864 bytes> before <Shared redis up, 0 to write>>"
    )


@pytest.mark.parametrize("late", [0.010, 0.040, 0.300, 0.600])
async def test_k1_a_server_that_answers_late_is_not_turned_on_and_off(
    pair: tuple[Process, Process], late: float
) -> None:
    """K1, case 20: one time-out, then it counts as down and stays so; each return would cost another."""
    one, _ = pair
    one.server.lag(late)

    for _ in range(100):
        asked = asyncio.create_task(one.get())
        for _ in range(10):
            await one.clock.advance(0.010)
        await asked

    assert len(one.events.of(StoreFailed)) <= 3


async def test_k1_a_server_that_is_late_now_and_then_is_turned_on_less_and_less(
    pair: tuple[Process, Process],
) -> None:
    """K1, case 20: every other answer late would take the cache from somebody twice a second."""
    one, _ = pair

    for turn in range(60):
        one.server.lag(0.040 if turn % 4 == 3 else 0.0)
        asked = asyncio.create_task(one.get())
        await one.clock.advance(0.250)
        await asked

    assert 1 < len(one.events.of(StoreFailed)) <= 4
    one.server.heal()
    await one.clock.advance(10.0)
    assert one.store.far.up


async def test_k2_a_slow_way_to_the_server_is_not_held_against_it(pair: tuple[Process, Process]) -> None:
    """K2: to connect takes longer than to ask, over TLS and from afar; the question after that tells."""
    one, _ = pair
    one.server.fail()
    await one.clock.advance(1.0)
    one.server.heal()
    one.server.lag(0.100)
    one.server.asked.clear()
    while not one.server.asked:
        await one.clock.advance(0.010)
    one.server.lag(0.0)  # for what is asked from now on

    await one.clock.advance(0.100)

    assert one.store.far.up
