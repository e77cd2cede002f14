"""What an answer came from, for whoever may give it again without asking all that stands before the store."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from stagedoor._cache.store import StoredEntry
from stagedoor._value import value

__all__ = ["EntryFinder", "Kept"]


@runtime_checkable
class EntryFinder(Protocol):
    """A store that can say at once what it holds in memory."""

    def find(self, key: bytes, /) -> StoredEntry | None:
        """Return what may be used of what memory holds under a key."""
        ...


@value()
class Kept:
    """An answer that came from memory or a store, fresh.

    `again` returns what answers the same key now: None if it is not fresh, is due to be renewed, or was called out.
    `lifetime` is how many seconds it is fresh, `operation` what look-ups are counted as.
    """

    held: StoredEntry
    again: Callable[[bytes], StoredEntry | None]
    lifetime: float
    operation: str
