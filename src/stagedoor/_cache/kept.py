"""What a store in memory can tell at once: what it holds, and which purges it knows."""

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from stagedoor._cache.store import StoredEntry
from stagedoor._cache.tags import Purges
from stagedoor._value import value

__all__ = ["EntryFinder", "Kept", "PurgeKeeper", "purges_of"]

_NEVER: Final = Purges()


@runtime_checkable
class EntryFinder(Protocol):
    """A store that can say at once what it holds in memory."""

    def find(self, key: bytes, /) -> StoredEntry | None:
        """Return what may be used of what memory holds under a key."""
        ...


@runtime_checkable
class PurgeKeeper(Protocol):
    """A store that knows how many purges there were."""

    @property
    def purges(self) -> Purges:
        """Return the purges that this process knows."""
        ...


def purges_of(store: object) -> Purges:
    """Return the purges that a store knows; none, for ever, where it says nothing of them."""
    return store.purges if isinstance(store, PurgeKeeper) else _NEVER


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
