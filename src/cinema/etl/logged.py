"""Rows of the log of changes, also of one that holds what nobody can read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select

from cinema.database.tables import change_log
from cinema.etl.feed import Change
from cinema.etl.unread import cell, is_spoilt, key_in, key_of, moment_in

__all__ = ["Logged", "logged", "oldest"]


class Logged(NamedTuple):
    """One row; what is no text is told as ids are (`unread`), and a moment that is none is None."""

    tx: str
    seq: int
    entity: str
    entity_id: str
    op: str
    changed_at: datetime | None

    @property
    def change(self) -> Change:
        """Return what is to be read again."""
        return Change(self.entity, self.entity_id, self.op == "link")


def logged(connection: Connection, found: Select[*tuple[Any, ...]]) -> Sequence[Logged]:
    """Return the rows of a statement over the log, whose columns are its own and `tx`."""
    try:
        return [
            Logged(row.tx, row.seq, key_of(row.entity), key_of(row.entity_id), key_of(row.op), row.changed_at)
            for row in connection.execute(found)
        ]
    except Exception as error:
        if not is_spoilt(error):
            raise
    log, tx = change_log.c, found.selected_columns["tx"]
    careful = found.with_only_columns(
        log.seq, cell(log.entity), cell(log.entity_id), cell(log.op), cell(log.changed_at), tx
    )
    return [
        Logged(tx, seq, key_in(entity), key_in(entity_id), key_in(op), moment_in(at))
        for seq, entity, entity_id, op, at, tx in connection.execute(careful)
    ]


def oldest(rows: Iterable[Logged]) -> Mapping[Change, float]:
    """Return since when there is something, by kind of change, as far as that can be told."""
    since: dict[Change, float] = {}
    for row in rows:
        if row.changed_at is not None:
            kind, moment = row.change._replace(id=""), row.changed_at.timestamp()
            since[kind] = min(moment, since.get(kind, moment))
    return since
