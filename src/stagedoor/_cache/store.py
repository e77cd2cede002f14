"""What a store is: four operations on bytes."""

from collections.abc import Iterable
from itertools import count
from typing import Literal, NamedTuple, Protocol, TypeAlias

from stagedoor._cache.entry import Entry
from stagedoor._cache.tags import TagVersion

__all__ = ["Lookup", "Store", "StoredEntry", "Tier"]

Tier: TypeAlias = Literal["memory", "redis"]
_SERIALS = count(1)


class StoredEntry:
    """An entry in the hands of this process. `born` and `kept` are moments of its own monotonic clock.

    `born` is when the answer was fetched, wherever that was; `kept` when this process last knew that no purge had
    reached it; `position` how many purges of this process it has outlived. `serial` is its own in this process: who
    knew an entry by it knows another one from it without a reference to either.
    """

    __slots__ = ("born", "entry", "kept", "position", "serial")

    def __init__(self, entry: Entry, born: float, kept: float, position: int) -> None:
        self.entry = entry
        self.born = born
        self.kept = kept
        self.position = position
        self.serial = next(_SERIALS)

    def __repr__(self) -> str:
        return f"<Held {self.entry.key!r} {len(self.entry.body)} bytes, born {self.born}>"


class Lookup(NamedTuple):
    """What came of asking a store: `tier` decided; `mark` goes back with the answer computed in place of a miss."""

    held: StoredEntry | None
    tier: Tier
    mark: TagVersion


class Store(Protocol):
    """Holds entries until their `keep` is over, memory is short, or a purge calls them out.

    A store never raises: one that cannot answer has nothing. It compares moments of one clock only (D5).
    """

    async def get(self, key: bytes, lifetime: float, /) -> Lookup:
        """Look a key up. An entry older than `lifetime` seconds is worth a question to the next tier."""
        ...

    def set(self, entry: Entry, mark: TagVersion, /) -> bool:
        """Keep an answer that has just arrived, replacing an older one; `mark` is from the look-up before it.

        It returns at once; what takes time happens behind. False if it is not kept: too big, no place, no store, or a
        purge came between.
        """
        ...

    async def settle(self, entry: Entry, mark: TagVersion, young: float, /) -> StoredEntry | None:
        """Keep an answer, unless one is there that is younger than `young` seconds; return the one that is kept.

        So those who fetched at the same time agree on one answer, in all processes that share the store. It takes the
        time to find out; None if nothing is kept.
        """
        ...

    async def purge(self, names: Iterable[bytes], /) -> bool:
        """Call out all entries with any of these names (`tags.tag`, `tags.key_name`, `tags.ALL`).

        On return no entry of that kind is used in this process. False if others could not be told yet; they will be
        as soon as that is possible again.
        """
        ...
