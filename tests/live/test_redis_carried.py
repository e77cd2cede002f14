"""A server whose data is older than what it once acknowledged: from a copy on disk, or of a server that is no more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import StoreDown
from stagedoor._cache.tags import ALL, tag
from tests import servers
from tests.live.redis_process import Process, until
from tests.live.test_redis_kinds import with_options
from tests.servers import Server, temporary

FILMS, GENRES = (tag("films"),), (tag("genres"),)
OLD = b"old"


def is_up(process: Process) -> bool:
    return process.far.up


@contextlib.asynccontextmanager
async def started(*urls: str) -> AsyncIterator[list[Process]]:
    """Start a process at each address, one after the other."""
    made = [Process(url) for url in urls]
    try:
        for one in made:
            await one.store.start()
            await until(partial(is_up, one))
        yield made
    finally:
        for one in made:
            await one.store.aclose()


@contextlib.asynccontextmanager
async def restarted(server: Server, process: Process) -> AsyncIterator[None]:
    """Kill a server while its process looks on, and start it again."""
    await asyncio.to_thread(server.kill)
    await until(lambda: not process.far.up)
    yield
    await asyncio.to_thread(server.start)


@pytest.mark.live
async def test_k3_a_copy_from_before_a_purge_brings_nothing_back() -> None:
    """K3: with `save 60 1` a crash takes up to a minute of purges along, and whoever knew of them may be gone too."""
    with temporary(servers.valkey) as server:
        async with started(server.url) as [first]:
            await first.keep(body=OLD, names=FILMS)
            await first.server.command("SAVE")
            told = await first.store.purge(FILMS)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        async with started(server.url) as [second]:
            found = await second.body()
            await second.keep(b"new")
            kept = await second.far_body(b"new")

    assert told
    assert found is None
    assert kept == b"v"


@pytest.mark.live
async def test_k3_who_comes_first_after_a_crash_hides_no_loss_from_others() -> None:
    """K3: by a purge of its own it makes the log as new as what others have heard of."""
    with temporary(servers.valkey) as server:
        async with started(server.url) as [witness]:
            await witness.keep(body=OLD, names=FILMS)
            await witness.server.command("SAVE")
            await witness.store.purge(FILMS)
            async with restarted(server, witness):
                pass
            async with started(server.url) as [newcomer]:
                await newcomer.store.purge(GENRES)
                await until(lambda: witness.far.up)
                found = await newcomer.body()

    assert found is None


@pytest.mark.live
async def test_k3_a_purge_after_the_log_was_emptied_hides_no_loss() -> None:
    """K3: `FLUSHALL` between two purges, and another process has heard neither yet."""
    with temporary(servers.valkey) as server:
        async with started(server.url, server.url) as [one, other]:
            await one.keep(body=OLD, names=FILMS)
            before = await other.body()
            await one.store.purge(FILMS)
            await one.server.command("FLUSHALL")
            await one.store.purge(GENRES)
            await asyncio.sleep(0.6)
            after = await other.body()

    assert (before, after) == (OLD, None)


@pytest.mark.live
async def test_k3_a_purge_at_a_server_that_was_deposed_reaches_all(tmp_path: Path) -> None:
    """K3: cut off, one process went on with the old server, which took its purge, while all others had another."""
    doors = [tmp_path / name for name in ("old", "new", "way")]
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(temporary(with_options("--unixsocket", str(doors[0]))))
        stack.enter_context(temporary(with_options("--unixsocket", str(doors[1]))))
        doors[2].symlink_to(doors[0])
        async with started(f"unix://{doors[2]}", f"unix://{doors[1]}") as [apart, others]:
            await others.keep(body=OLD, names=FILMS)
            told = await apart.store.purge(FILMS)
            await others.store.purge(GENRES)
            before = await others.body()
            doors[2].unlink()
            doors[2].symlink_to(doors[1])
            await asyncio.to_thread(old.kill)
            called_out = others.far.purges.mark.position
            await until(lambda: others.far.purges.mark.position > called_out)
            after = await others.body()

    assert told
    assert (before, after) == (OLD, None)


async def test_k2_all_are_called_out_once_however_many_come_back() -> None:
    """K2: what is kept again after the first question stays when others ask theirs."""
    with temporary(servers.valkey) as server:
        asking = [RedisServer(server.url, prefix="test") for _ in range(3)]
        heard = max([(await one.invalidations(0)).number for one in asking])
        await asking[0].command("SAVE")
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        for one in asking:
            with contextlib.suppress(StoreDown):  # the connection from before
                await one.invalidations(heard)
        told = [await one.invalidations(heard) for one in asking]
        for one in asking:
            await one.aclose()

    assert told[0].number > heard
    assert {one.number for one in told} == {told[0].number}
    assert all(ALL in dict(one.purges) for one in told)


async def test_k1_a_user_who_may_not_ask_which_server_it_is_uses_it_all_the_same(
    process: Process, valkey: Server
) -> None:
    """K1: `-@dangerous` takes `INFO` away; what is called out by the count of purges still is."""
    command = process.server.command
    await command("ACL", "SETUSER", "cache", "on", "nopass", "~test*", "+@all", "-@dangerous")
    try:
        async with started(f"redis://cache@127.0.0.1:{valkey.port}/0") as [other]:
            await process.keep(body=OLD, names=FILMS)
            before = await other.body()
            told = await other.store.purge(FILMS)
            await asyncio.sleep(0.3)
            up, after = other.far.up, await process.body()
    finally:
        await command("ACL", "DELUSER", "cache")

    assert (before, told, up, after) == (OLD, True, True, None)
