"""Who has read the log of changes how far, and what of it nobody needs any more (contract 14.2).

Theory. Each consumer of the log, which is one index wherever it lies, leaves a mark: the position it has confirmed. Old
rows that all consumers have confirmed are pruned; a consumer that has left no mark for thirty days is forgotten. What
was pruned is written down: who needs it all the same, such as an index put back from a backup, notices and rebuilds.
Marks are left before a position is trusted, and pruning keeps new ones out meanwhile, so that nothing is pruned under a
consumer that has just come back.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, text

from cinema.database.tables import SCHEMA, change_log_mark, change_log_pruned
from cinema.etl.state import replace_file

__all__ = [
    "FORGET",
    "Checkpoint",
    "Place",
    "confirmed",
    "consumer_beside",
    "is_due",
    "keep_marks",
    "leave",
    "marks_in",
    "note_pruned",
    "pruned_in",
    "void",
]

FORGET: Final = timedelta(days=30)
_EVERY: Final = timedelta(hours=1)  # where nothing changes
Place: TypeAlias = tuple[int, int]  # transaction and number


class Checkpoint(NamedTuple):
    """Where a consumer stood at a moment."""

    place: Place
    at: datetime


def is_due(mark: Checkpoint | None, place: Place, now: datetime) -> bool:
    """Tell whether a consumer at this place has to leave its mark anew."""
    return mark is None or mark.place != place or now - mark.at >= _EVERY


def void(mark: Checkpoint | None, place: Place, pruned: Place | None, now: datetime) -> bool:
    """Tell whether a consumer at this place cannot go on: something it needs is gone, or it was away too long."""
    return (pruned is not None and place < pruned) or (mark is not None and now - mark.at > FORGET)


def confirmed(marks: Iterable[Checkpoint], now: datetime) -> Place | None:
    """Return up to where every consumer that is not forgotten has confirmed the log; None if there is none."""
    return min((mark.place for mark in marks if now - mark.at <= FORGET), default=None)


# --- in the database ----------------------------------------------------------------------------------------


def marks_in(connection: Connection) -> Mapping[str, Checkpoint]:
    """Return the marks of all consumers by their names."""
    table = change_log_mark.c
    found = connection.execute(select(table.consumer, table.tx, table.seq, table.marked_at))
    return {row.consumer: Checkpoint((row.tx, row.seq), row.marked_at) for row in found}


def pruned_in(connection: Connection, newest: Place) -> Place | None:
    """Return up to where the log has been pruned, if it has been; what lies beyond the newest came with a dump."""
    table = change_log_pruned.c
    places = [(row.tx, row.seq) for row in connection.execute(select(table.tx, table.seq))]
    return max((place for place in places if place <= newest), default=None)


def leave(connection: Connection, consumer: str, mark: Checkpoint) -> None:
    """Put the mark of a consumer in the place of its last one, and forget who has left none for long."""
    table = change_log_mark.c
    old = (table.consumer == consumer) | (table.marked_at < mark.at - FORGET)
    connection.execute(delete(change_log_mark).where(old))
    values = {"consumer": consumer, "marked_at": mark.at, "tx": mark.place[0], "seq": mark.place[1]}
    connection.execute(insert(change_log_mark), values)


def keep_marks(connection: Connection) -> None:
    """Let nobody add a mark before the end of the transaction; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {SCHEMA}.{change_log_mark.name} IN SHARE ROW EXCLUSIVE MODE"))


def note_pruned(connection: Connection, place: Place) -> None:
    """Write down up to where the log has been pruned."""
    connection.execute(delete(change_log_pruned))
    connection.execute(insert(change_log_pruned), {"tx": place[0], "seq": place[1]})


def consumer_beside(state: Path) -> str:
    """Return the name of the index that this state is of; its file keeps it over rebuilds.

    A copy elsewhere is another consumer.
    """
    kept = state.with_name(f"{state.name}.id")
    try:
        name = kept.read_text().strip()
    except (OSError, ValueError):
        name = ""
    if not name:
        name = uuid4().hex
        replace_file(kept, name)
    return hashlib.blake2b(f"{name} {state.resolve()}".encode(), digest_size=16).hexdigest()
