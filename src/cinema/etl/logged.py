"""Rows of the log of changes, also of one that holds what nobody can read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select

from cinema.database.tables import change_log
from cinema.etl.feed import Change
from cinema.etl.unread import cell, is_spoilt, key_in, key_of, moment_in

__all__ = ["Logged", "logged", "oldest"]

_CELLS = ("entity", "entity_id", "op", "changed_at")


class Logged(NamedTuple):
    """One row: which entity is to be read again, and since when, if that can be told."""

    tx: str
    seq: int
    change: Change
    since: datetime | None


def logged(connection: Connection, found: Select[*tuple[Any, ...]]) -> Sequence[Logged]:
    """Return the rows of a statement over the log, whose columns are its own and `tx`."""
    try:
        return [
            Logged(
                row.tx, row.seq, Change(row.entity, key_of(row.entity_id), row.op == "link"), row.changed_at
            )
            for row in connection.execute(found)
        ]
    except Exception as error:
        if not is_spoilt(error):
            raise
    kept = [column for column in found.selected_columns if column.name not in _CELLS]
    cells = [cell(change_log.c[name]).label(name) for name in _CELLS]
    return [
        Logged(
            row.tx,
            row.seq,
            Change(key_in(row.entity), key_in(row.entity_id), key_in(row.op) == "link"),
            moment_in(row.changed_at),
        )
        for row in connection.execute(found.with_only_columns(*kept, *cells))
    ]


def oldest(rows: Iterable[Logged]) -> Mapping[Change, float]:
    """Return since when there is something, by kind of change, as far as that can be told."""
    since: dict[Change, float] = {}
    for row in rows:
        if row.since is not None:
            kind, moment = row.change._replace(id=""), row.since.timestamp()
            since[kind] = min(moment, since.get(kind, moment))
    return since
