"""Follow a source that logs nothing, such as a foreign database: by the pairs (`modified`, `id`), and by comparing.

Theory. Entities are read behind a cursor. Since a row may become visible after one with a later moment, the last ten
seconds before the cursor are looked at again each time: sums of what was there tell whether anything is new, so that a
table loaded at one moment is not indexed for ever. The cursor never passes the source's own now. A row whose moment is
after that, or is none at all, cannot be found by it: sums of all such rows are compared each time. So are those of all
links, by either end, which finds roles that change in place and links that go. An entity that has gone shows by there
being fewer in its group of ids; which one it was nobody knows, so that the position is void then, and all is rebuilt.
It is void as well where the source's clock has gone back, or a standby of PostgreSQL was promoted (`horizon`).
All that a position says is of one snapshot, whose moment it names (`as_of`): what comes between two statements would be
in the sums and not among the changes. What no source of this kind can show is in docs/how-to/fill-the-index.md.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, and_, not_, or_, select

from cinema.database import Database
from cinema.database.tables import film_work, genre, genre_film_work, person, person_film_work
from cinema.etl.feed import Change, Portion, Waiting
from cinema.etl.horizon import is_of, timeline
from cinema.etl.moments import (
    Sums,
    are_sums,
    counts,
    digest,
    key_as,
    key_of,
    key_read,
    keys_in,
    lend,
    moment_of,
    now_in,
    snapshot,
    sums,
    sums_by,
)
from cinema.etl.state import Position

__all__ = ["OVERLAP", "Modified"]

T = TypeVar("T")
Place: TypeAlias = Mapping[str, Any]  # in one table; JSON

OVERLAP: Final = timedelta(seconds=10)
_OVERLAP: Final = OVERLAP // timedelta(milliseconds=1)
_NEVER: Final = -(2**62)
_FILM, _GENRE, _PERSON = film_work.c, genre.c, person.c
# What a document takes from a row, and who stands at the ends of a link.
_CONTENT: Final = {
    film_work: (_FILM.id, _FILM.title, _FILM.description, _FILM.rating),
    genre: (_GENRE.id, _GENRE.name, _GENRE.description),
    person: (_PERSON.id, _PERSON.full_name),
}
_ENDS: Final = {
    genre_film_work: ((film_work, genre), ()),
    person_film_work: ((film_work, person), (person_film_work.c.role,)),
}


@dataclass(frozen=True, slots=True)
class Modified:
    """The feed of a source without a log."""

    async def source(self, database: Database, /) -> str:
        return "foreign"

    async def now(self, database: Database, /) -> Position:
        def work(connection: Connection) -> Position:
            entities = {table.name: _Entity.of(connection, table).end() for table in _CONTENT}
            links = {table.name: _links(connection, table) for table in _ENDS}
            return {**entities, **links, "as_of": now_in(connection)}

        # Before all else, so that it is the older one if the server is another one meanwhile.
        found = await database.read(timeline)
        return {**await _read(database, work), "timeline": found}

    async def valid(self, database: Database, position: Position, /) -> bool:
        if not _is_whole(position) or not is_of(position, await database.read(timeline)):
            return False
        known = {table: position[table.name]["rows"] for table in _CONTENT}
        latest = max(position["as_of"], *(position[table.name]["at"] for table in _CONTENT))

        def work(connection: Connection) -> bool:
            if latest > now_in(connection) + _OVERLAP:
                return False
            return not any(_lacks(counts(connection, table), rows) for table, rows in known.items())

        return await _read(database, work)

    def carried(self, position: Position, /) -> Position:
        return {"as_of": position["as_of"]}  # the whole of it is half a megabyte

    def together(self, position: Position, carried: Sequence[Position], /) -> Sequence[Position]:
        try:
            behind = any(one["as_of"] < position["as_of"] for one in carried)
        except (KeyError, TypeError):
            return ()
        return () if behind else [position]

    async def read(self, database: Database, position: Position, limit: int, /) -> Portion:
        known = position.get("timeline") or await database.read(timeline)

        def work(connection: Connection) -> Portion:
            changes: list[Change] = []
            place = {**position, "timeline": known}
            for table in _CONTENT:
                ids, place[table.name], more = _Entity.of(connection, table).news(position[table.name], limit)
                changes += (Change(table.name, key) for key in ids)
                if more:
                    place["as_of"] += 1  # as of then it is not yet, but behind what it was
                    return Portion(changes, place, more=True)
            for table in _ENDS:
                place[table.name] = _links(connection, table)
                changes += _moved(connection, position[table.name], place[table.name])
            if place != position:
                place["as_of"] = max(now_in(connection), position["as_of"] + 1)
            return Portion(changes, place, more=False)

        return await _read(database, work)

    async def waiting(self, database: Database, position: Position, /) -> Waiting:
        return Waiting()  # moments of rows are the source's own, and say nothing of when they came

    async def prune(self, database: Database, position: Position, /) -> int:
        return 0


def _is_whole(position: Position) -> bool:
    """Tell whether a position has all its parts: whoever can write the state can write anything."""
    try:
        places = [position[table.name] for table in _CONTENT]
        moments = [position["as_of"], *(place["at"] for place in places)]
        found = [place[part] for place in places for part in ("seen", "odd", "rows")]
        found += [position[table.name][end.name] for table, (ends, _) in _ENDS.items() for end in ends]
        return (
            all(type(moment) is int and abs(moment) <= -_NEVER for moment in moments)
            and all(isinstance(place["id"], str) for place in places)
            and all(are_sums(one) for one in found)
        )
    except (KeyError, TypeError):
        return False


async def _read(database: Database, work: Callable[[Connection], T]) -> T:
    def lent(connection: Connection) -> T:
        lend(connection)
        with snapshot(connection):
            return work(connection)

    return await database.read(lent)


class _Entity(NamedTuple):
    """One table of entities, as it is now; a row without an id has no place behind a cursor."""

    connection: Connection
    table: Table
    moment: ColumnElement[int]
    now: int

    @classmethod
    def of(cls, connection: Connection, table: Table) -> "_Entity":
        return cls(connection, table, moment_of(connection, table), now_in(connection))

    @property
    def key(self) -> ColumnElement[Any]:
        return key_of(self.connection, self.table.c.id)

    def end(self) -> Place:
        """Return the place behind everything there is."""
        newest = select(self.moment, self.key).where(self.moment <= self.now, self.key.is_not(None))
        found = self.connection.execute(newest.order_by(self.moment.desc(), self.key.desc()).limit(1)).first()
        at, key = found or (_NEVER, "")
        return {
            **self._cursor(at, key_read(key)),
            "odd": self._odd(),
            "rows": counts(self.connection, self.table),
        }

    def news(self, place: Place, limit: int) -> tuple[Sequence[str], Place, bool]:
        """Return the ids of what is new behind a place, the place behind that, and whether there may be more."""
        at, key = place["at"], place["id"]
        behind = select(self.moment, self.key).where(self.moment <= self.now, self._behind(at, key))
        rows = self.connection.execute(behind.order_by(self.moment, self.key).limit(limit)).all()
        seen = self._seen(at, key)
        again = _differing(seen, place["seen"])
        fresh = {**place, "seen": seen}
        if rows:
            fresh |= self._cursor(rows[-1][0], key_read(rows[-1][1]))
        if len(rows) < limit:
            # More than there is now stays there: what has gone since is to be missed by whoever looks next.
            there = counts(self.connection, self.table)
            most = {group: max(count, place["rows"].get(group, 0)) for group, count in there.items()}
            fresh |= {"odd": self._odd(), "rows": {**place["rows"], **most}}
            again |= _differing(fresh["odd"], place["odd"])
        ids = [key_read(row[1]) for row in rows]
        return [*ids, *keys_in(self.connection, self.table, again)], fresh, len(rows) >= limit

    def _cursor(self, at: int, key: str) -> Place:
        return {"at": at, "id": key, "seen": self._seen(at, key)}

    def _seen(self, at: int, key: str) -> Sums:
        """Look at the last ten seconds up to a cursor."""
        return self._sums(self.moment > at - _OVERLAP, not_(self._behind(at, key)))

    def _odd(self) -> Sums:
        """Look at what no cursor reaches yet, or ever."""
        return self._sums(or_(self.moment.is_(None), self.moment > self.now, self.key.is_(None)))

    def _sums(self, *where: ColumnElement[bool]) -> Sums:
        return sums(self.connection, self.table.c.id, digest(*_CONTENT[self.table]), *where)

    def _behind(self, at: int, key: str) -> ColumnElement[bool]:
        later = and_(self.moment > at, self.key.is_not(None))
        return or_(later, and_(self.moment == at, self.key > key_as(self.connection, key)))


def _links(connection: Connection, table: Table) -> Mapping[str, Sums]:
    """Look at all links of a table, from either end."""
    ends, others = _ENDS[table]
    columns = [table.c[f"{end.name}_id"] for end in ends]
    return {
        end.name: sums_by(connection, column, *columns, *others)
        for end, column in zip(ends, columns, strict=True)
    }


def _moved(connection: Connection, before: Mapping[str, Sums], now: Mapping[str, Sums]) -> Iterable[Change]:
    """Yield the entities whose links are not what they were."""
    for end in _CONTENT:
        if end.name in now:
            for key in keys_in(connection, end, _differing(before[end.name], now[end.name])):
                yield Change(end.name, key, link=True)


def _differing(some: Sums, others: Sums) -> set[str]:
    return {group for group in {*some, *others} if some.get(group) != others.get(group)}


def _lacks(there: Sums, known: Sums) -> bool:
    return any(there.get(group, 0) < count for group, count in known.items())
