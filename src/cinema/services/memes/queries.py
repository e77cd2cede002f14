"""What the meme service reads from its database: newest first, ties by id descending."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

from cinema.database.records import records
from cinema.database.tables import meme
from cinema.services.memes.cursors import CursorPlace

__all__ = ["MemePortion", "behind", "find", "from_offset", "is_empty", "referenced"]

_ORDERED = select(meme).order_by(meme.c.created_at.desc(), meme.c.id.desc())
_BY_ID = select(meme).where(meme.c.id == bindparam("meme_id"))
_COUNT = select(func.count()).select_from(meme)
_OF_IMAGES = select(meme.c.image_name).where(meme.c.image_name.in_(bindparam("names", expanding=True)))


@dataclass(frozen=True, slots=True)
class MemePortion:
    """Hold some memes, whether there are more behind them, and how many there are in all."""

    rows: list[dict[str, Any]]
    more: bool
    total: int


def find(connection: Connection, meme_id: str) -> dict[str, Any] | None:
    """Return a meme; None if there is none of this id."""
    return next(iter(records(connection, _BY_ID, {"meme_id": meme_id})), None)


def from_offset(connection: Connection, limit: int, offset: int) -> MemePortion:
    """Return the memes from a number on."""
    return _portion(connection, _ORDERED.offset(offset), limit)


def behind(connection: Connection, limit: int, place: CursorPlace | None) -> MemePortion:
    """Return the memes behind a place, or the first ones."""
    if place is None:
        return _portion(connection, _ORDERED, limit)
    # Not a comparison of pairs: a planner can use the index of two descending columns for this form as well.
    older = meme.c.created_at < place.created_at
    tied = and_(meme.c.created_at == place.created_at, meme.c.id < place.id)
    not_newer = meme.c.created_at <= place.created_at  # bounds the index; the rest only filters
    return _portion(connection, _ORDERED.where(not_newer, or_(older, tied)), limit)


def _portion(connection: Connection, statement: Select[Any], limit: int) -> MemePortion:
    rows = records(connection, statement.limit(limit + 1))
    return MemePortion(rows[:limit], len(rows) > limit, connection.execute(_COUNT).scalar_one())


def is_empty(connection: Connection) -> bool:
    """Tell whether there is no meme."""
    return connection.execute(select(meme.c.id).limit(1)).first() is None


def referenced(connection: Connection, names: list[str]) -> set[str]:
    """Return those of the pictures that belong to a meme."""
    return set(connection.execute(_OF_IMAGES, {"names": names}).scalars())
