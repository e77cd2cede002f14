"""The shared store on a real server that dies, hangs and comes back."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import pytest

from stagedoor._cache.entry import Entry
from stagedoor._cache.tags import ALL, tag
from stagedoor._events import StoreAnswered, StoreFailed, StoreRestored
from tests import servers
from tests.chaos import CALM, ChaosProxy, Weather
from tests.live.redis_process import Process, until
from tests.servers import Server

FILMS = (tag("films"),)


async def timed(operation: Awaitable[object]) -> float:
    began = time.monotonic()
    await operation
    return time.monotonic() - began


async def hangs(process: Process, valkey: Server) -> Callable[[], Awaitable[object]]:
    valkey.pause()
    return lambda: asyncio.to_thread(valkey.resume)


async def is_killed(process: Process, valkey: Server) -> Callable[[], Awaitable[object]]:
    valkey.kill()
    return lambda: asyncio.to_thread(valkey.start)


async def is_paused(process: Process, valkey: Server) -> Callable[[], Awaitable[object]]:
    await process.server.command("CLIENT", "PAUSE", 2500, "ALL")
    return lambda: asyncio.sleep(1.0)


async def is_out_of_memory(process: Process, valkey: Server) -> Callable[[], Awaitable[object]]:
    await process.server.command("CONFIG", "SET", "maxmemory", 1)
    return lambda: asyncio.to_thread(servers.ask, valkey.port, b"CONFIG SET maxmemory 0\r\n", 20.0)


async def is_a_replica(process: Process, valkey: Server) -> Callable[[], Awaitable[object]]:
    await process.server.command("CONFIG", "SET", "replica-serve-stale-data", "yes")
    await process.server.command("REPLICAOF", "127.0.0.1", 1)
    return lambda: asyncio.to_thread(servers.ask, valkey.port, b"REPLICAOF NO ONE\r\n", 20.0)


@pytest.mark.live
@pytest.mark.parametrize("fault", [hangs, is_killed, is_paused, is_out_of_memory, is_a_replica])
async def test_k1_k2_an_outage_costs_one_time_out_and_ends_within_two_seconds(
    process: Process,
    valkey: Server,
    fault: Callable[[Process, Server], Awaitable[Callable[[], Awaitable[object]]]],
) -> None:
    """K1, K2: answers go on from memory, at once; its end is told once, and once each why it is out."""
    await process.keep()
    cure = await fault(process, valkey)
    costs = [await timed(process.body(b"%d" % number)) for number in range(20)]
    await process.keep(b"meanwhile")
    await until(lambda: not process.far.up)
    costs += [await timed(process.body(b"%d" % number)) for number in range(20)]
    during = await process.body(b"meanwhile")
    await cure()
    await until(lambda: process.far.up)
    await process.keep(b"after")

    # One time-out of a second, once; the rest wait for nobody. A busy machine may add a pause of its own.
    assert sum(cost > 0.5 for cost in costs) <= 2
    assert during == b"v"
    assert await process.far_body(b"after") == b"v"
    causes = [event.error for event in process.events.of(StoreFailed)]
    assert len(causes) == 1 or causes == ["connection lost", "refused the connection"]
    assert len(process.events.of(StoreRestored)) == 1


async def test_k1_who_waits_when_it_dies_is_released_together(process: Process, valkey: Server) -> None:
    """K1: a hundred look-ups at once cost one time-out, not a hundred."""
    valkey.pause()
    cost = await timed(asyncio.gather(*(process.body(b"%d" % number) for number in range(100))))
    valkey.resume()

    assert cost < 20.0


@pytest.mark.live
async def test_k1_a_server_that_is_not_there_at_start_is_used_when_it_comes(valkey: Server) -> None:
    """K1: absent is no error."""
    await asyncio.to_thread(valkey.kill)
    process = Process(valkey.url)
    await process.store.start()
    await process.keep()
    before = await process.body()
    await asyncio.to_thread(valkey.start)
    await until(lambda: process.far.up)

    assert before == b"v"
    told = [event for event in process.events if not isinstance(event, StoreAnswered)]
    assert told == [StoreFailed("redis", "refused the connection"), StoreRestored("redis")]
    await process.store.aclose()


@pytest.mark.parametrize(
    "spoil",
    [
        ("SET", "test:k", b"garbage"),
        ("SET", "test:k", b""),
        ("LPUSH", "test:k", b"a list"),
        ("APPEND", "test:k", b"!"),
        ("SETRANGE", "test:k", 30, b"zzz"),
        ("PERSIST", "test:k"),
    ],
    ids=lambda words: words[0],
)
async def test_k1_k8_spoiled_entries_are_a_miss_and_are_replaced(
    process: Process, spoil: tuple[str | bytes | int, ...]
) -> None:
    """K1, K8: another type, other bytes, no end: none of it is an outage."""
    if spoil[0] != "LPUSH":
        await process.keep()
    await process.server.command(*spoil)
    before = await process.far_body()
    await process.keep(body=b"new")
    await process.far.idle()
    process.store.near.drop(b"k")
    process.far.set(Entry(b"k", b"new", 30.0), process.far.purges.mark)
    await process.far.idle()

    assert before is None
    assert await process.far_body() == b"new"
    assert process.far.up


async def test_k1_a_log_of_another_type_is_an_outage_that_ends(process: Process) -> None:
    """K1: without purges the store must not be read."""
    await process.server.command("SET", "test#purges", "x")
    await process.far_body()
    assert not process.far.up
    assert process.events.of(StoreFailed)[0].error in {"WRONGTYPE", "ERR"}


async def test_k6_random_cancellation_never_yields_another_keys_value(valkey: Server) -> None:
    """K6: through a proxy that delays and slices; a quarter of the look-ups is given up half-way."""
    seed = random.randrange(2**32)
    roll = random.Random(seed)
    async with ChaosProxy(valkey.port) as proxy:
        process = Process(f"redis://127.0.0.1:{proxy.port}/0", timeout=5.0)
        await process.store.start()
        for number in range(50):
            await process.keep(b"key%d" % number, b"body%d" % number)
        proxy.answers = Weather(latency=0.003, jitter=0.003, slicer=700)

        async def look(number: int) -> None:
            body = await process.far_body(b"key%d" % number)
            assert body in {None, b"body%d" % number}, f"seed {seed}: {number} got {body!r}"

        async def give_up(number: int) -> None:
            task = asyncio.create_task(look(number))
            await asyncio.sleep(roll.random() * 0.008)
            if roll.random() < 0.5:
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

        for _ in range(40):
            await asyncio.gather(*(give_up(roll.randrange(50)) for _ in range(25)))
        proxy.answers = CALM
        await until(lambda: process.far.up)

        assert [await process.far_body(b"key%d" % number) for number in range(50)] == [
            b"body%d" % number for number in range(50)
        ]
        assert process.far.counts() == {"tasks": 0, "store_operations": 0}
        await process.store.aclose()


@pytest.mark.live
async def test_k2_a_way_to_the_server_that_swallows_everything_is_replaced(valkey: Server) -> None:
    """K2: a connection that is dead without a word is not kept; the next one works."""
    async with ChaosProxy(valkey.port) as proxy:
        process = Process(f"redis://127.0.0.1:{proxy.port}/0")
        await process.store.start()
        proxy.requests = Weather(black_hole=True)
        await until(lambda: not process.far.up)
        proxy.requests = CALM
        await until(lambda: process.far.up)

        await process.store.aclose()


@pytest.mark.live
async def test_g4_a_purge_reaches_another_process_within_a_second(process: Process, valkey: Server) -> None:
    """G4: both tiers there, though it asks for nothing."""
    other = Process(valkey.url)
    await other.store.start()
    await process.keep(names=FILMS)
    assert await other.body() == b"v"
    told = await process.store.purge(FILMS)
    heard = process.far.purges.mark.heard
    await until(lambda: other.far.purges.mark.heard >= heard)

    assert told
    assert await other.body() is None
    assert await process.body() is None
    await other.store.aclose()


@pytest.mark.live
async def test_k3_a_server_restarted_empty_flushes_the_memory_of_all(
    process: Process, valkey: Server
) -> None:
    """K3: killed after a purge that one process had not heard yet."""
    other = Process(valkey.url)
    await other.store.start()
    await other.keep(names=FILMS)
    await process.store.purge(FILMS)
    await asyncio.to_thread(valkey.kill)
    await asyncio.to_thread(valkey.start)
    await until(lambda: other.far.up and process.far.up)
    await asyncio.sleep(0.5)

    assert await other.body() is None
    await other.keep(names=FILMS)
    assert await process.body() == b"v"
    await other.store.aclose()


async def test_g4_the_log_of_purges_is_bounded(process: Process) -> None:
    """G4: more names than it holds raise ALL, and no purge is lost."""
    await process.keep(names=FILMS)
    await process.far.purge(FILMS)
    for start in range(0, 12_000, 4_000):
        await process.server.purge([tag(str(number)) for number in range(start, start + 4_000)], 0)
    invalidations = await process.server.invalidations(1)

    assert await process.server.command("ZCARD", "test#purges") <= 10_001
    assert ALL in dict(invalidations.purges)
    assert await process.far_body() is None
