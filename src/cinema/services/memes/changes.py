"""Change the memes, each change in one transaction, so that rows and pictures never part.

Theory. A picture lies in the media service, its row here, and no transaction spans both. So every step leaves a state
that can be put right without knowing what was meant:

    create   upload ─▶ [ take the name, insert the row and the answer to its key ]
    replace  upload ─▶ [ take the name, point the row at it, put the old name into the outbox ]
    delete             [ delete the row, put its name into the outbox ]
    cleanup  [ look what is due ] ─▶ remove the picture ─▶ [ take the name out of the outbox ]

What stands in brackets is one transaction. The outbox, `media_cleanup`, holds what was decided: names that no row has
any more, with the moment of the next try. The sweep finds what was never decided: pictures that lie in the media
service, belong to no row and are not in the outbox, because a process died between an upload and its transaction. It
puts them into the outbox, and from there they go like the others.

Who wants to use or to remove a picture first puts its name into the outbox, and only one can: it is the primary key.
A create takes its own name out again before it commits. So a sweep that meets a picture whose row is about to be
committed waits for that transaction (PostgreSQL: the insert waits for the other's end; SQLite: there is one writer),
then sees the row and leaves the picture alone; and a create whose picture a sweep has taken finds the name there, and
fails. The same holds after a commit of which nobody knows whether it succeeded: whoever would remove the picture asks
in the same way first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cinema.database.records import records
from cinema.database.tables import media_cleanup, meme
from cinema.services.memes.entities import validate_match
from cinema.services.memes.models import Texts
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = [
    "Due",
    "NameTaken",
    "create",
    "due",
    "postpone",
    "remove",
    "replace",
    "rewrite",
    "settle",
    "take_unused",
]

_LONGEST_PAUSE = 300.0
_FIRST_PAUSE = 1.0


class NameTaken(Exception):
    """The picture was taken for left over while its meme was being written: it may be gone by now."""


@dataclass(frozen=True, slots=True)
class Due:
    """A picture to remove, and how often that was tried."""

    name: str
    attempts: int


def create(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a meme whose picture has been uploaded; raises `NameTaken`."""
    _take(connection, row["image_name"], row["created_at"])
    connection.execute(insert(meme), row)
    connection.execute(_forget(row["image_name"]))


def replace(
    connection: Connection, meme_id: str, name: str, if_match: str | None, now: datetime
) -> tuple[dict[str, Any], str]:
    """Give a meme another picture; return its row and the old picture's name.

    Raises:
        NameTaken: see the theory above.
        Refused: 404, there is no such meme; 412, it is in another state.

    """
    _take(connection, name, now)
    row = _locked(connection, meme_id, if_match)
    old = row["image_name"]
    connection.execute(update(meme).where(meme.c.id == meme_id).values(image_name=name))
    connection.execute(_forget(name))
    _put(connection, old, now)
    return {**row, "image_name": name}, old


def rewrite(connection: Connection, meme_id: str, texts: Texts, if_match: str | None) -> dict[str, Any]:
    """Give a meme other texts, both in one statement; return its row. Raises `RequestRefused` as `replace` does."""
    row = _locked(connection, meme_id, if_match)
    fresh = {"title": texts.title, "description": texts.description}
    connection.execute(update(meme).where(meme.c.id == meme_id).values(fresh))
    return {**row, **fresh}


def remove(connection: Connection, meme_id: str, if_match: str | None, now: datetime) -> str:
    """Delete a meme; return the name of its picture, which is due now. Raises `RequestRefused` as `replace` does."""
    row = _locked(connection, meme_id, if_match)
    connection.execute(delete(meme).where(meme.c.id == meme_id))
    _put(connection, row["image_name"], now)
    return str(row["image_name"])


def take_unused(connection: Connection, name: str, now: datetime) -> bool:
    """Put a picture that belongs to no meme into the outbox; tell whether it is there now."""
    _put(connection, name, now)
    if connection.execute(select(meme.c.id).where(meme.c.image_name == name)).first() is None:
        return True
    connection.execute(_forget(name))
    return False


def due(connection: Connection, now: datetime, most: int) -> list[Due]:
    """Return the pictures that are to be removed now, the longest due first."""
    columns = (media_cleanup.c.image_name, media_cleanup.c.attempts)
    statement = select(*columns).where(media_cleanup.c.due_at <= now).order_by(media_cleanup.c.due_at)
    return [Due(name, attempts) for name, attempts in connection.execute(statement.limit(most))]


def settle(connection: Connection, name: str) -> None:
    """Take a picture out of the outbox: it is gone."""
    connection.execute(_forget(name))


def postpone(connection: Connection, one: Due, now: datetime) -> None:
    """Try again later: after 1, 2, 4 ... at most 300 seconds."""
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(one.attempts, 16))
    values = {"due_at": now + timedelta(seconds=pause), "attempts": one.attempts + 1}
    connection.execute(update(media_cleanup).where(media_cleanup.c.image_name == one.name).values(values))


def _locked(connection: Connection, meme_id: str, if_match: str | None) -> dict[str, Any]:
    # SQLite has no such lock and needs none: there is one writer.
    statement = select(meme).where(meme.c.id == meme_id).with_for_update()
    row = next(iter(records(connection, statement)), None)
    if row is None:
        raise RequestRefused(problems.not_found(f'Meme with id "{meme_id}" not found'))
    validate_match(row, if_match)
    return row


def _take(connection: Connection, name: str, now: datetime) -> None:
    if not _put(connection, name, now):
        raise NameTaken(name)


def _put(connection: Connection, name: str, now: datetime) -> bool:
    """Put a name into the outbox; tell whether it was not there before."""
    values = {"image_name": name, "due_at": now, "attempts": 0}
    inserted = connection.execute(_insert_new(connection, media_cleanup).values(values))
    return inserted.rowcount == 1


def _insert_new(connection: Connection, table: Table) -> Insert:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    made: Insert = dialect.insert(table).on_conflict_do_nothing()
    return made


def _forget(name: str) -> Delete:
    return delete(media_cleanup).where(media_cleanup.c.image_name == name)
