"""What a source tells about its changes, whichever way it keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from cinema.database import Database
from cinema.etl.state import Position

__all__ = ["Change", "Entity", "Feed", "Portion", "SourceReplaced", "Waiting"]

Entity: TypeAlias = Literal["film_work", "genre", "person"]


class Change(NamedTuple):
    """One entity that is to be read again; `link` says that only its links have changed."""

    entity: str
    id: str
    link: bool = False


class Portion(NamedTuple):
    """The next changes, the position behind them, and whether there may be more."""

    changes: Sequence[Change]
    position: Position
    more: bool
    since: float | None = None  # the moment of the oldest of them in Unix time, where the source tells it


class Waiting(NamedTuple):
    """Changes that nobody has read yet, or may read yet: since when, by kind of change, and what holds them up."""

    since: Mapping[Change, float] = {}  # Unix time of the oldest of each kind; their ids are left empty
    obstacle: Mapping[str, Any] | None = None  # the transaction that has to end first


class SourceReplaced(Exception):
    """Tell that a position, valid when the pass began, is none of the database that answers now."""


class Feed(Protocol):
    """Changes in an order that never passes one over.

    All methods may raise `DatabaseUnavailable`, and may be repeated.
    """

    async def source(self, database: Database, /) -> str:
        """Return the identity of the source; another one means that positions of before are void."""
        ...

    async def now(self, database: Database, /) -> Position:
        """Return the position behind all changes that a reader can see from now on."""
        ...

    async def valid(self, database: Database, position: Position, /) -> bool:
        """Tell whether a position is one of this source."""
        ...

    def carried(self, position: Position, /) -> Position:
        """Return what an index is to carry of a position."""
        ...

    def together(self, position: Position, carried: Sequence[Position], /) -> Sequence[Position]:
        """Return the positions to go on from where indices carry others than the state holds, the earliest first.

        All of them have to be valid. None at all means that there is no place from which all can be followed.
        """
        ...

    async def read(self, database: Database, position: Position, limit: int, /) -> Portion:
        """Return the changes behind a position, at most about `limit`; may raise `SourceReplaced`."""
        ...

    async def waiting(self, database: Database, position: Position, /) -> Waiting:
        """Return what is behind a position, whether or not it may be read already, where the source tells it."""
        ...

    async def prune(self, database: Database, position: Position, /) -> int:
        """Forget changes that were confirmed long ago; return how many."""
        ...
