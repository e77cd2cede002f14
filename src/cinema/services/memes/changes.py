"""Change the memes, each change in one transaction, so that rows and pictures never part.

Theory. A picture lies in the media service, its row here, and no transaction spans both. So every step leaves a state
that can be put right without knowing what was meant:

    create   upload ─▶ [ take the name, insert the row and the answer to its key ]
    replace  upload ─▶ [ take the name, point the row at it, put the old name into the outbox ]
    delete             [ delete the row, put its name into the outbox ]
    sweep    [ take a name that no row has, put it into the outbox ]
    cleanup  [ look what is due ] ─▶ remove the picture ─▶ [ take the name out of the outbox ]

What stands in brackets is one transaction. The outbox, `media_cleanup`, holds what was decided: names that no row has
any more, with the moment of the next try. The sweep finds what was never decided: pictures that lie in the media
service, belong to no row and are not in the outbox, because a process died between an upload and its transaction. It
puts them into the outbox, and from there they go like the others.

Who wants to use or to remove a picture that no row has yet first puts its name into `media_taken`, and only one can: it
is the primary key. A create gives the name free before it commits: its row has it by then. So a sweep that meets a
picture whose row is about to be committed waits for that transaction (PostgreSQL: the insert waits for the other's end;
SQLite: there is one writer), then sees the row and leaves the picture alone. A sweep keeps the name, also when the
picture is gone and the outbox has forgotten it: a create that was told the name before, and comes so late, finds it
taken, and fails. It is given free after a week, longer than any write may last: an upload may be allowed a day. The
same holds after a commit of which nobody knows whether it succeeded: whoever would remove the picture asks in the same
way first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cinema.database.records import records
from cinema.database.tables import media_cleanup, media_taken, meme
from cinema.services.memes.entities import not_found, validate_match
from cinema.services.memes.models import Texts

__all__ = [
    "Due",
    "NameTaken",
    "create",
    "due",
    "postpone",
    "prune",
    "remove",
    "replace",
    "rewrite",
    "settle",
    "take_unused",
]

_LONGEST_PAUSE = 300.0
_FIRST_PAUSE = 1.0
_TAKEN_FOR = timedelta(days=7)


class NameTaken(Exception):
    """The picture was taken for left over while its meme was being written: it may be gone by now."""


@dataclass(frozen=True, slots=True)
class Due:
    """A picture to remove, and how often that was tried."""

    name: str
    attempts: int


def create(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a meme whose picture has been uploaded; raises `NameTaken`."""
    _take_own(connection, row["image_name"], row["created_at"])
    connection.execute(insert(meme), row)
    _give_free(connection, row["image_name"])


def replace(
    connection: Connection, meme_id: str, name: str, if_match: str | None, now: datetime
) -> tuple[dict[str, Any], str]:
    """Give a meme another picture; return its row and the old picture's name.

    Raises:
        NameTaken: see the theory above.
        RequestRefused: 404, there is no such meme; 412, it is in another state.

    """
    _take_own(connection, name, now)
    row = _locked(connection, meme_id, if_match)
    old = row["image_name"]
    connection.execute(update(meme).where(meme.c.id == meme_id).values(image_name=name))
    _give_free(connection, name)
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
    """Take a picture that belongs to no meme and put it into the outbox; tell whether it is there now."""
    _take(connection, name, now)
    if connection.execute(select(meme.c.id).where(meme.c.image_name == name)).first() is None:
        _put(connection, name, now)
        return True
    _give_free(connection, name)
    return False


def prune(connection: Connection, now: datetime) -> None:
    """Give the names free that were taken too long ago for anybody to come with them."""
    connection.execute(delete(media_taken).where(media_taken.c.taken_at <= now - _TAKEN_FOR))


def due(connection: Connection, now: datetime, most: int) -> list[Due]:
    """Return the pictures that are to be removed now, the longest due first."""
    columns = (media_cleanup.c.image_name, media_cleanup.c.attempts)
    statement = select(*columns).where(media_cleanup.c.due_at <= now).order_by(media_cleanup.c.due_at)
    return [Due(name, attempts) for name, attempts in connection.execute(statement.limit(most))]


def settle(connection: Connection, name: str) -> None:
    """Take a picture out of the outbox: it is gone."""
    connection.execute(delete(media_cleanup).where(media_cleanup.c.image_name == name))


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
        raise not_found(meme_id)
    validate_match(row, if_match)
    return row


def _take_own(connection: Connection, name: str, now: datetime) -> None:
    if not _take(connection, name, now):
        raise NameTaken(name)


def _take(connection: Connection, name: str, now: datetime) -> bool:
    """Tell whether nobody had taken it before."""
    return _insert_new(connection, media_taken, {"image_name": name, "taken_at": now})


def _give_free(connection: Connection, name: str) -> None:
    connection.execute(delete(media_taken).where(media_taken.c.image_name == name))


def _put(connection: Connection, name: str, now: datetime) -> None:
    """Put a name into the outbox; one that is there stays as it is."""
    _insert_new(connection, media_cleanup, {"image_name": name, "due_at": now, "attempts": 0})


def _insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Tell whether its key was not there before."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return connection.execute(dialect.insert(table).on_conflict_do_nothing().values(row)).rowcount == 1
