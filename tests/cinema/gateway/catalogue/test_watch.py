"""The gateway notices a finished batch."""

from collections import Counter
from pathlib import Path

import pytest

from cinema.etl.purge import EVERYTHING, Stamped
from cinema.etl.stamp import stamp_path
from cinema.gateway.catalogue.watch import Watch
from cinema.indices import INDICES
from stagedoor.cache.entry import Entry
from stagedoor.cache.memory import MemoryStore
from stagedoor.cache.tags import tag
from stagedoor.call import Env
from stagedoor.search.memory import MemorySearch
from stagedoor.testing import ManualClock


class Reloading(MemorySearch):
    """Counts how often it is told to look again."""

    reloads = 0

    async def reload(self) -> None:
        self.reloads += 1


@pytest.mark.parametrize(("tags", "kept"), [(["film:1"], [b"b"]), ([EVERYTHING], [])])
async def test_g4_a_batch_is_seen_first_and_purged_then(
    tmp_path: Path, clock: ManualClock, env: Env, tags: list[str], kept: list[bytes]
) -> None:
    """G4: the reader is renewed, then the tags are called out; everything, where the batch names everything."""
    store = MemoryStore(env=env)
    engine = Reloading(INDICES, clock=clock)
    for key, name in ((b"a", "film:1"), (b"b", "film:2")):
        look = await store.get(key, 300.0)
        store.set(Entry(key, b"page", 300.0, "page1", (tag(name),)), look.mark)
    watch = Watch(tmp_path, engine, store, clock)
    await Stamped(stamp_path(tmp_path)).purge(tags, Counter(), 0, 0.0)

    await watch.look()
    await watch.look()

    held = [key for key in (b"a", b"b") if (await store.get(key, 300.0)).held is not None]
    assert held == kept
    assert engine.reloads == 1
