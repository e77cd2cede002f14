"""Memory in front of a shared store.

Memory is asked first, the shared store on a miss or where memory has only a stale answer: another process may have
renewed it. Both share one list of purges. Nothing is ever copied from memory into the shared store: what was kept
there alone during an outage stays there alone, so that it can overwrite nothing newer (K2).
An entry with tags is used from memory only for `deaf` seconds after this process last knew of all purges (K3); one
without tags can be purged by its key alone and has no such limit.
"""

from collections.abc import Iterable, Mapping

from stagedoor._cache.entry import Entry
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.shared import Shared
from stagedoor._cache.store import Lookup, StoredEntry
from stagedoor._cache.tags import TagVersion
from stagedoor._call import Env

__all__ = ["Tiered"]


class Tiered:
    """A `Store` of two tiers: `near`, in memory and made here, and `far`. `aclose` closes both."""

    def __init__(
        self,
        far: Shared,
        /,
        *,
        env: Env,
        max_bytes: int = 64 * 2**20,
        max_item: int = 2**20,
        deaf: float = 5.0,
    ) -> None:
        self.far = far
        self.purges = far.purges
        self.near = MemoryStore(env=env, max_bytes=max_bytes, max_item=max_item, purges=far.purges)
        self._now = env.clock.now
        self._deaf = deaf

    async def start(self) -> None:
        """Ask the shared store once, and begin to watch it."""
        await self.far.start()

    async def get(self, key: bytes, lifetime: float, /) -> Lookup:
        held = self.find(key)
        if held is not None and self._now() - held.born < lifetime:
            return Lookup(held, "memory", self.near.purges.mark)
        asked = self.far.up
        look = await self.far.get(key, lifetime)
        held = self.find(key)  # again: a purge or a newer answer may have come meanwhile
        if look.held is not None and (held is None or look.held.born > held.born):
            self.near.put(look.held)
            return look
        return Lookup(held, "redis" if asked and held is None else "memory", look.mark)

    def set(self, entry: Entry, mark: TagVersion, /) -> bool:
        near = self.near.set(entry, mark)
        return self.far.set(entry, mark) or near

    async def settle(self, entry: Entry, mark: TagVersion, young: float, /) -> StoredEntry | None:
        held = await self.far.settle(entry, mark, young)
        if held is None:
            return await self.near.settle(entry, mark, young)
        self.near.put(held)
        return held

    async def purge(self, names: Iterable[bytes], /) -> bool:
        return await self.far.purge(names)

    def counts(self) -> Mapping[str, int]:
        """Return what the shared store is doing now."""
        return self.far.counts()

    async def aclose(self) -> None:
        """Close the shared store."""
        await self.far.aclose()

    def find(self, key: bytes) -> StoredEntry | None:
        """Return what memory holds under a key, as far as this process still knows of all purges (K3)."""
        held = self.near.find(key)
        if held is None or not held.entry.names:
            return held
        if self._now() - max(held.kept, self.far.synced) < self._deaf:
            return held
        self.near.drop(key)
        return None

    def __repr__(self) -> str:
        return f"<Tiered {self.near!r} before {self.far!r}>"
