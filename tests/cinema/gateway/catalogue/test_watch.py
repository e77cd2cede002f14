"""The gateway notices a finished batch."""

import asyncio
from pathlib import Path

import pytest

from cinema.etl.manifest import FinishedBatch, manifest_path
from cinema.etl.purge import EVERYTHING, WithManifest
from cinema.gateway.catalogue.watch import BatchWatch
from cinema.indices import INDICES
from stagedoor._cache.entry import Entry
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.tags import tag
from stagedoor._call import Env
from stagedoor.errors import UpstreamUnavailable
from stagedoor.search.memory import MemorySearch
from stagedoor.testing import ManualClock


class Reloading(MemorySearch):
    """Counts how often it is told to look again; fails the first times."""

    reloads = 0
    failures = 0

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(INDICES, clock=clock)
        self.looked = asyncio.Event()

    async def reload(self) -> None:
        self.reloads += 1
        self.looked.set()
        if self.reloads <= self.failures:
            raise UpstreamUnavailable("search.reload", "the index cannot be read")


async def filled(env: Env) -> MemoryStore:
    """Return a store that keeps a page about each of two films."""
    store = MemoryStore(env=env)
    for key, name in ((b"a", "film:1"), (b"b", "film:2")):
        look = await store.get(key, 300.0)
        store.set(Entry(key, b"page", 300.0, "page1", (tag(name),)), look.mark)
    return store


async def held(store: MemoryStore) -> list[bytes]:
    return [key for key in (b"a", b"b") if (await store.get(key, 300.0)).held is not None]


@pytest.mark.parametrize(("tags", "kept"), [(["film:1"], [b"b"]), ([EVERYTHING], [])])
async def test_g4_a_batch_is_seen_first_and_purged_then(
    tmp_path: Path, clock: ManualClock, env: Env, tags: list[str], kept: list[bytes]
) -> None:
    """G4: the reader is renewed, then the tags are called out; everything, where the batch names everything."""
    store = await filled(env)
    engine = Reloading(clock)
    watch = BatchWatch(tmp_path, engine, store, clock)
    await WithManifest(manifest_path(tmp_path)).purge(tags, FinishedBatch())

    await watch.look()
    await watch.look()

    assert await held(store) == kept
    assert engine.reloads == 1


async def test_a_manifest_that_is_gone_calls_nothing_out_and_the_next_one_everything(
    tmp_path: Path, clock: ManualClock, env: Env
) -> None:
    """Issue 4: without its index a gateway lives on what it keeps; batches are numbered anew with the next one."""
    store = await filled(env)
    watch = BatchWatch(tmp_path, Reloading(clock), store, clock)
    await WithManifest(manifest_path(tmp_path)).purge(["film:3"], FinishedBatch())
    await watch.look()
    manifest_path(tmp_path).unlink()
    await watch.look()
    without = await held(store)
    await WithManifest(manifest_path(tmp_path)).purge(["film:3"], FinishedBatch())
    await watch.look()

    assert without == [b"a", b"b"]
    assert await held(store) == []


async def test_g4_nothing_is_called_out_before_the_engine_sees_it(
    tmp_path: Path, clock: ManualClock, env: Env
) -> None:
    """G4: what would be fetched in place of the old is the same old, kept anew; and a failure ends no watch."""
    store = await filled(env)
    engine = Reloading(clock)
    engine.failures = 2
    watch = BatchWatch(tmp_path, engine, store, clock)
    await watch.start()
    await WithManifest(manifest_path(tmp_path)).purge(["film:1"], FinishedBatch())
    seen = []
    for _ in range(3):
        await clock.advance(0.25)
        async with asyncio.timeout(30):  # the manifest is read by a thread
            await engine.looked.wait()
        engine.looked.clear()
        seen.append(await held(store))
    await watch.aclose()

    assert seen == [[b"a", b"b"], [b"a", b"b"], [b"b"]]
