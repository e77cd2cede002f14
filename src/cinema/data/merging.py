"""Put a foreign film set into a catalogue, in the caller's transaction: all of it or nothing.

Rows of an id that is there already replace it, and links of the same ends and role replace each other. A genre is its
name: one that is there under another id takes the id of the set and keeps its films. What the set does not name
stays as it is. The index is built anew afterwards, as after every load.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from sqlalchemy import Connection, Table, and_, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cinema.data.foreign import Foreign
from cinema.data.rows import COLUMNS, Row, Rows
from cinema.data.sowing import has_catalogue
from cinema.database.bulk import fill, quiet
from cinema.database.tables import film_work, genre, genre_film_work, person, person_film_work

__all__ = ["merge"]

_ENTITIES: Final = {"genre": genre, "person": person, "film_work": film_work}
_LINKS: Final = {"genre_film_work": genre_film_work, "person_film_work": person_film_work}
_AT_ONCE: Final = 5_000


def merge(connection: Connection, foreign: Foreign) -> Mapping[str, int]:
    """Add the set; return how many rows of each table it held. Raises `Fault` if a link leads nowhere."""
    _validate_ends(connection, foreign)
    with quiet(connection):
        if has_catalogue(connection):
            _merge_genres(connection, foreign.rows("genre"))
            _put(connection, person, foreign.rows("person"))
            _put(connection, film_work, foreign.rows("film_work"))
            for name, table in _LINKS.items():
                _make_way(connection, table, foreign.rows(name))
                fill(connection, [Rows(name, foreign.rows(name))])
        else:
            fill(connection, (Rows(name, foreign.rows(name)) for name in COLUMNS))
    return {name: len(foreign.rows(name)) for name in COLUMNS}


def _validate_ends(connection: Connection, foreign: Foreign) -> None:
    known = {name: {row[0] for row in foreign.rows(name)} for name in _ENTITIES}
    for name in _LINKS:
        for place, row in enumerate(foreign.rows(name)):
            for at, column in enumerate(COLUMNS[name][1:3], 1):
                end = column.removesuffix("_id")
                if row[at] not in known[end] and not _is_there(connection, end, str(row[at])):
                    raise foreign.fault(name, place, column, f"must be the id of a {end}, not {row[at]!r}")
                known[end].add(row[at])


def _is_there(connection: Connection, entity: str, key: str) -> bool:
    table = _ENTITIES[entity]
    return connection.execute(select(table.c.id).where(table.c.id == key)).first() is not None


def _put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    names = COLUMNS[table.name]
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    fresh = {name: insert.excluded[name] for name in names[1:]}
    statement = insert.on_conflict_do_update(index_elements=["id"], set_=fresh)
    for portion in _portions(rows):
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in portion])


def _merge_genres(connection: Connection, rows: Sequence[Row]) -> None:
    ids = {row[1]: str(row[0]) for row in rows}
    mine = {row.id: row.name for row in connection.execute(select(genre.c.id, genre.c.name))}
    ours = set(ids.values())
    moved = {key: ids[name] for key, name in mine.items() if name in ids and key not in ours}
    # Names may wander between ids: out of the way first, then in place.
    aside = update(genre).where(genre.c.id == bindparam("key")).values(name=bindparam("aside"))
    wandering = [{"key": key, "aside": f"{key} "} for key in mine if key in moved or key in ours]
    if wandering:
        connection.execute(aside, wandering)
    _put(connection, genre, rows)
    for old, new in moved.items():
        _move(connection, old, new)


def _move(connection: Connection, old: str, new: str) -> None:
    """Give the films of a genre to another, and remove it."""
    link = genre_film_work
    there = select(link.c.film_work_id).where(link.c.genre_id == new)
    mine = and_(link.c.genre_id == old, link.c.film_work_id.not_in(there))
    connection.execute(update(link).where(mine).values(genre_id=new))
    connection.execute(delete(genre).where(genre.c.id == old))


def _make_way(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Remove the links that these replace: of the same id, or of the same ends and role."""
    names = COLUMNS[table.name]
    same = [table.c[name] == bindparam(f"old_{name}") for name in names[1:-1]]
    for condition in (table.c.id == bindparam("old_id"), and_(*same)):
        for portion in _portions(rows):
            values = [
                {f"old_{name}": value for name, value in zip(names, row, strict=True)} for row in portion
            ]
            connection.execute(delete(table).where(condition), values)


def _portions(rows: Sequence[Row]) -> Iterable[list[Row]]:
    rest = iter(rows)
    while portion := list(islice(rest, _AT_ONCE)):
        yield portion
