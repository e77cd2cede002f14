"""A store in the memory of this process: bounded in bytes, least recently used out first."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from stagedoor._cache.entry import Entry
from stagedoor._cache.store import Lookup, StoredEntry
from stagedoor._cache.tags import Purges, TagVersion
from stagedoor._call import Env

__all__ = ["MemoryStats", "MemoryStore"]

_OVERHEAD = 512  # bytes of the objects round key and body, measured with tracemalloc and rounded up
_PER_NAME = 64


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """What a memory store holds; entries that ran out count until they are met or pushed out."""

    items: int
    bytes: int
    max_bytes: int
    evicted: int


class MemoryStore:
    """Keep entries in memory: at most `max_bytes` in all, none larger than `max_item`.

    Key, body, names and a fixed overhead are counted. Each operation costs the same, however much is held.
    """

    def __init__(
        self,
        *,
        env: Env,
        max_bytes: int = 64 * 2**20,
        max_item: int = 2**20,
        purges: Purges | None = None,
    ) -> None:
        self.purges = Purges() if purges is None else purges
        self._now = env.clock.now
        self._max_bytes = max_bytes
        self._max_item = max_item
        self._held: OrderedDict[bytes, StoredEntry] = OrderedDict()
        self._bytes = 0
        self._evicted = 0

    async def get(self, key: bytes, lifetime: float, /) -> Lookup:
        return Lookup(self.find(key), "memory", self.purges.mark)

    def set(self, entry: Entry, mark: TagVersion, /) -> bool:
        now = self._now()
        return self.put(StoredEntry(entry, now - entry.age, now, mark.position))

    async def settle(self, entry: Entry, mark: TagVersion, young: float, /) -> StoredEntry | None:
        now, there = self._now(), self.find(entry.key)
        if there is not None and now - there.born < young:
            return there
        held = StoredEntry(entry, now - entry.age, now, mark.position)
        return held if self.put(held) else None

    async def purge(self, names: Iterable[bytes], /) -> bool:
        self.purges.note(names)
        return True

    def find(self, key: bytes) -> StoredEntry | None:
        """Return what is held under a key, unless its time is over or a purge has reached it."""
        held = self._held.get(key)
        if held is None:
            return None
        if self._now() >= held.born + held.entry.keep or not self._outlived(held):
            self.drop(key)
            return None
        self._held.move_to_end(key)
        return held

    def put(self, held: StoredEntry) -> bool:
        """Hold an entry in place of an older one under its key; False if it is too big or a purge has reached it."""
        entry = held.entry
        before = self._held.get(entry.key)
        if (before is not None and before.born > held.born and self._outlived(before)) or not self._outlived(
            held
        ):
            return False
        self.drop(entry.key)
        size = _size(entry)
        if len(entry.body) > self._max_item or size > self._max_bytes:
            return False
        self._held[entry.key] = held
        self._bytes += size
        self._make_room()
        return True

    def drop(self, key: bytes) -> None:
        """Forget one key in this process; harmless if it is not held."""
        held = self._held.pop(key, None)
        if held is not None:
            self._bytes -= _size(held.entry)

    def claim(self, size: int) -> None:
        """Count so many bytes that somebody else holds for these answers; give them back with a negative number."""
        self._bytes += size
        self._make_room()

    def keys(self, limit: int) -> list[bytes]:
        """Return the keys used last, newest first, at most `limit`."""
        return [key for key, _ in zip(reversed(self._held), range(limit), strict=False)]

    def stats(self) -> MemoryStats:
        """Return the figures of this moment."""
        return MemoryStats(len(self._held), self._bytes, self._max_bytes, self._evicted)

    def _make_room(self) -> None:
        while self._bytes > self._max_bytes and self._held:
            self._bytes -= _size(self._held.popitem(last=False)[1].entry)
            self._evicted += 1

    def _outlived(self, held: StoredEntry) -> bool:
        """Tell whether no purge has reached it; asked again only after further purges."""
        position = self.purges.mark.position
        if held.position != position:
            if self.purges.reached(held.entry.key, held.entry.names, held.position):
                return False
            held.position = position
        return True

    def __repr__(self) -> str:
        return f"<MemoryStore {len(self._held)} items, {self._bytes} of {self._max_bytes} bytes>"


def _size(entry: Entry) -> int:
    names = entry.names
    return len(entry.key) + len(entry.body) + _OVERHEAD + _PER_NAME * len(names) + sum(map(len, names))
