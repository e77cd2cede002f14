"""Follow a source that logs nothing, such as a foreign database: by the pairs (moment, id) of its rows.

Entities are read by (`modified`, `id`), links by (`created`, `id`), each behind a cursor. Since a row may become
visible after one with a later moment, the last ten seconds before the cursor are looked at again each time; a digest
of what was seen there tells whether anything is new, so that a table loaded at one moment is not indexed for ever.
Such a source does not tell what was deleted: rebuild the index (`cinema etl --rebuild`) after deletions.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, and_, not_, or_, select

from cinema.database import Database
from cinema.database.tables import film_work, genre, genre_film_work, person, person_film_work
from cinema.etl.feed import Change, Portion, Waiting
from cinema.etl.state import Position

__all__ = ["OVERLAP", "Modified"]

OVERLAP: Final = timedelta(seconds=10)
Record: TypeAlias = Sequence[Any]  # id, moment and, of a link, the ids of film and other end
_BEFORE_ALL: Final = {"at": datetime(1, 1, 2, tzinfo=UTC).isoformat(), "id": "", "seen": ""}
_ENDS: Final = {"genre_film_work": "genre", "person_film_work": "person"}
_TABLES = (film_work, genre, person, genre_film_work, person_film_work)


@dataclass(frozen=True, slots=True)
class Modified:
    """The feed of a source without a log."""

    async def source(self, database: Database, /) -> str:
        return "foreign"

    async def now(self, database: Database, /) -> Position:
        return await database.read(
            lambda connection: {table.name: _end(connection, table) for table in _TABLES}
        )

    async def valid(self, database: Database, position: Position, /) -> bool:
        return set(position) == {table.name for table in _TABLES}

    def earliest(self, positions: Sequence[Position], /) -> Sequence[Position]:
        return positions[:1] if all(position == positions[0] for position in positions) else ()

    async def read(self, database: Database, position: Position, limit: int, /) -> Portion:
        def work(connection: Connection) -> Portion:
            changes: list[Change] = []
            place = dict(position)
            for table in _TABLES:
                rows, place[table.name] = _news(connection, table, position[table.name], limit)
                changes += (change for row in rows for change in _changes(table, row))
                if len(rows) >= limit:
                    return Portion(changes, place, more=True)
            return Portion(changes, place, more=False)

        return await database.read(work)

    async def waiting(self, database: Database, position: Position, /) -> Waiting:
        return Waiting()  # moments of rows are the source's own, and say nothing of when they came

    async def prune(self, database: Database, position: Position, /) -> int:
        return 0


def _moment(table: Table) -> Column[Any]:
    return table.c.created if table.name in _ENDS else table.c.modified


def _columns(table: Table) -> Select[*tuple[Any, ...]]:
    """Read id, moment and, of links, both ends."""
    columns: list[Column[Any]] = [table.c.id, _moment(table)]
    if table.name in _ENDS:
        columns += [table.c.film_work_id, table.c[f"{_ENDS[table.name]}_id"]]
    return select(*columns).order_by(_moment(table), table.c.id)


def _behind(table: Table, at: datetime, key: str) -> ColumnElement[bool]:
    return or_(_moment(table) > at, and_(_moment(table) == at, table.c.id > key))


def _end(connection: Connection, table: Table) -> Mapping[str, str]:
    """Return the cursor behind everything there is."""
    newest = select(_moment(table), table.c.id).order_by(_moment(table).desc(), table.c.id.desc()).limit(1)
    found: Record | None = connection.execute(newest).first()
    return _cursor(connection, table, found[0], found[1]) if found else _BEFORE_ALL


def _cursor(connection: Connection, table: Table, at: datetime, key: str) -> Mapping[str, str]:
    return {"at": at.isoformat(), "id": key, "seen": _digest(_window(connection, table, at, key))}


def _window(connection: Connection, table: Table, at: datetime, key: str) -> Sequence[Record]:
    """Return the rows of the last ten seconds up to a cursor."""
    recent = and_(_moment(table) > at - OVERLAP, not_(_behind(table, at, key)))
    return connection.execute(_columns(table).where(recent)).all()


def _digest(rows: Sequence[Record]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(f"{row[0]} {row[1]}\n".encode())
    return digest.hexdigest()


def _news(
    connection: Connection, table: Table, cursor: Mapping[str, str], limit: int
) -> tuple[Sequence[Record], Mapping[str, str]]:
    """Return what is new in a table, and the cursor behind it."""
    at, key = datetime.fromisoformat(cursor["at"]), cursor["id"]
    statement, again = _columns(table), []
    if key:  # else the table was empty
        again = list(_window(connection, table, at, key))
        again = [] if _digest(again) == cursor["seen"] else again
        statement = statement.where(_behind(table, at, key))
    rows: Sequence[Record] = connection.execute(statement.limit(limit)).all()
    if not rows and not again:
        return (), cursor
    last_key, last_at = (rows[-1][0], rows[-1][1]) if rows else (key, at)
    return [*again, *rows], _cursor(connection, table, last_at, last_key)


def _changes(table: Table, row: Record) -> Iterator[Change]:
    if table.name not in _ENDS:
        yield Change(table.name, row[0])
        return
    yield Change("film_work", row[2], link=True)
    yield Change(_ENDS[table.name], row[3], link=True)
