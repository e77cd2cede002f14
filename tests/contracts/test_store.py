"""What every store promises, on every implementation and on the fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from stagedoor._cache.entry import Entry
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import Server
from stagedoor._cache.shared import Shared
from stagedoor._cache.store import Store
from stagedoor._cache.tags import ALL, key_name, tag
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor.testing import Events, ManualClock
from stagedoor.testing.stores import FakeServer


@dataclass
class Bench:
    """One store, how to let it finish what it does behind, and how time passes for it."""

    store: Store
    rest: Callable[[], Awaitable[None]]
    wait: Callable[[float], Awaitable[None]]


async def nothing() -> None:
    """Wait for nothing: this store is never busy."""


@asynccontextmanager
async def shared(server: Server, env: Env, wait: Callable[[float], Awaitable[None]]) -> AsyncIterator[Bench]:
    store = Shared(server, env=env, timeout=5.0)
    await store.start()
    yield Bench(store, store.idle, wait)
    await store.aclose()


@pytest.fixture(params=["memory", "fake", "redis", "tiered on fake", "tiered on redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    kind = request.param
    if not kind.endswith("redis"):
        clock = ManualClock()
        env = Env(clock, lambda: 0.5, Events())
        wait: Callable[[float], Awaitable[None]] = clock.advance
        server: Server = FakeServer(clock)
    else:
        env, wait = Env(SystemClock(), lambda: 0.5, Events()), asyncio.sleep
        server = RedisServer(request.getfixturevalue("valkey").url, prefix="test")
    if kind == "memory":
        memory = MemoryStore(env=env)
        yield Bench(memory, nothing, wait)
        return
    async with shared(server, env, wait) as bench:
        if kind.startswith("tiered"):
            assert isinstance(bench.store, Shared)
            bench.store = Tiered(bench.store, env=env)
        yield bench


async def kept(bench: Bench, entry: Entry) -> bool:
    """Keep an entry as an answer computed just now."""
    look = await bench.store.get(entry.key, 30.0)
    stored = bench.store.set(entry, look.mark)
    await bench.rest()
    return stored


async def body(bench: Bench, key: bytes = b"k") -> bytes | None:
    held = (await bench.store.get(key, 30.0)).held
    return None if held is None else held.entry.body


async def test_what_is_not_there_is_none(bench: Bench) -> None:
    """A miss is no error."""
    assert (await bench.store.get(b"k", 30.0)).held is None


async def test_an_entry_comes_back_whole(bench: Bench) -> None:
    """Key, body, life, schema and names, byte for byte; a key may be any bytes."""
    entry = Entry(b"\0\xff k:1", b"\0body\xff", 30.0, "json1", (tag("film:1"), tag("Фильм")))
    stored = await kept(bench, entry)
    held = (await bench.store.get(entry.key, 30.0)).held

    assert stored
    assert held is not None
    assert held.entry == entry


async def test_k8_an_empty_body_is_a_hit(bench: Bench) -> None:
    """K8: nothing found is an answer too."""
    await kept(bench, Entry(b"k", b"", 30.0))

    assert await body(bench) == b""


async def test_keys_do_not_meet(bench: Bench) -> None:
    """One key is one entry."""
    await kept(bench, Entry(b"k", b"one", 30.0))
    await kept(bench, Entry(b"k2", b"two", 30.0))

    assert [await body(bench, key) for key in (b"k", b"k2", b"K")] == [b"one", b"two", None]


async def test_the_newer_answer_replaces_the_older(bench: Bench) -> None:
    """The last to arrive is the one that is used."""
    await kept(bench, Entry(b"k", b"old", 30.0))
    await kept(bench, Entry(b"k", b"new", 30.0))

    assert await body(bench) == b"new"


async def settled(bench: Bench, entry: Entry, young: float = 20.0) -> bytes | None:
    """Agree on an entry as one who fetched it; return the body that is kept."""
    look = await bench.store.get(entry.key, 30.0)
    held = await bench.store.settle(entry, look.mark, young)
    return None if held is None else held.entry.body


async def test_the_first_of_two_answers_stands_where_they_must_agree(bench: Bench) -> None:
    """Contract 7: a young answer is not replaced by another that was fetched at the same time."""
    kept = [await settled(bench, Entry(b"k", text, 30.0)) for text in (b"first", b"second")]

    assert kept == [b"first", b"first"]
    assert await body(bench) == b"first"


async def test_an_answer_that_is_no_longer_young_is_replaced(bench: Bench) -> None:
    """Renewals have to arrive."""
    await settled(bench, Entry(b"k", b"old", 30.0))
    await bench.wait(0.25)

    assert await settled(bench, Entry(b"k", b"new", 30.0), young=0.2) == b"new"
    assert await body(bench) == b"new"


async def test_an_answer_brings_its_age_along(bench: Bench) -> None:
    """It ends so much earlier, whichever way it is kept."""
    await settled(bench, Entry(b"a", b"v", 0.5, age=0.3))
    await kept(bench, Entry(b"b", b"v", 0.5, age=0.3))
    before = [await body(bench, key) for key in (b"a", b"b")]
    await bench.wait(0.25)

    assert before == [b"v", b"v"]
    assert [await body(bench, key) for key in (b"a", b"b")] == [None, None]


async def test_what_a_purge_has_reached_is_not_agreed_on(bench: Bench) -> None:
    """G4: computed before, so not kept after."""
    look = await bench.store.get(b"k", 30.0)
    await bench.store.purge([key_name(b"k")])

    assert await bench.store.settle(Entry(b"k", b"v", 30.0), look.mark, 20.0) is None
    assert await settled(bench, Entry(b"k", b"next", 30.0)) == b"next"


async def test_an_entry_ends_with_its_life(bench: Bench) -> None:
    """However it is kept, no entry outlives what it was given."""
    await kept(bench, Entry(b"k", b"v", 1.0))
    await bench.wait(0.1)
    before = await body(bench)
    await bench.wait(0.91)

    assert before == b"v"
    assert await body(bench) is None


async def test_the_age_is_known(bench: Bench) -> None:
    """Whoever reads must know how old an answer is, whichever process fetched it."""
    await kept(bench, Entry(b"k", b"v", 30.0))
    first = (await bench.store.get(b"k", 30.0)).held
    await bench.wait(0.5)
    second = (await bench.store.get(b"k", 30.0)).held

    assert first is not None
    assert second is not None
    assert second.born == pytest.approx(first.born, abs=0.4)


@pytest.mark.parametrize("names", [[tag("films")], [tag("other"), tag("film:1")], [key_name(b"k")], [ALL]])
async def test_g4_a_purge_calls_entries_out(bench: Bench, names: list[bytes]) -> None:
    """G4: by key, by any tag, and all."""
    await kept(bench, Entry(b"k", b"v", 30.0, "", (tag("films"), tag("film:1"))))
    told = await bench.store.purge(names)

    assert told
    assert await body(bench) is None


async def test_g4_a_purge_leaves_others_alone(bench: Bench) -> None:
    """G4: a tag is a whole name; a key is no tag."""
    await kept(bench, Entry(b"k", b"v", 30.0, "", (tag("films"),)))
    await bench.store.purge([tag("film"), tag("k"), key_name(b"films"), key_name(b"k2")])

    assert await body(bench) == b"v"


async def test_g4_after_a_purge_a_new_answer_is_kept(bench: Bench) -> None:
    """G4: what is fetched after the purge is up to date."""
    await bench.store.purge([tag("films")])
    await kept(bench, Entry(b"k", b"v", 30.0, "", (tag("films"),)))

    assert await body(bench) == b"v"


async def test_g4_an_answer_from_before_a_purge_is_not_kept(bench: Bench) -> None:
    """G4: it was looked up, then purged, then it arrived."""
    look = await bench.store.get(b"k", 30.0)
    await bench.store.purge([tag("films")])
    bench.store.set(Entry(b"k", b"old", 30.0, "", (tag("films"),)), look.mark)
    await bench.rest()

    assert await body(bench) is None


async def test_k8_reading_changes_nothing(bench: Bench) -> None:
    """K8: two readers see the same, in any order."""
    await kept(bench, Entry(b"k", b"v", 30.0))
    bodies = await asyncio.gather(*(body(bench) for _ in range(20)))

    assert bodies == [b"v"] * 20
