"""Follow a source by its `change_log`: position by position, nothing of an open transaction passed over.

On SQLite, which has one writer, rows become visible in the order of their numbers, and a number is a position. On
PostgreSQL a transaction that began early may commit late, and its rows would appear behind a reader that goes by
numbers. There the position is (transaction, number), and only transactions below the oldest that may still write here
are read (`horizon`): of those no row can come any more, and a transaction that begins later has a larger id.
A position beyond what the source has given out belongs to another one, a restored backup for instance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    func,
    inspect,
    literal_column,
    not_,
    select,
    text,
)

from cinema.database import Database
from cinema.database.tables import SCHEMA, change_log
from cinema.etl.feed import Change, Portion, Waiting
from cinema.etl.horizon import HORIZON, NEXT, obstacle
from cinema.etl.logged import logged, oldest
from cinema.etl.state import Position
from cinema.etl.unread import is_spoilt
from stagedoor.clock import Clock

__all__ = ["KEEP", "ChangeLog", "has_change_log"]

KEEP: Final = timedelta(days=7)
_SOURCE: Final = "source"
_BEYOND: Final = 2**62  # no number is that large

_LOG = change_log.c
_TX: ColumnElement[Any] = literal_column(f"{SCHEMA}.change_log.tx")
_PEEK: Final = 10_000  # of what waits, the oldest


def has_change_log(connection: Connection) -> bool:
    """Tell whether this source logs its changes."""
    schema = None if _on_sqlite(connection) else SCHEMA
    return inspect(connection).has_table(change_log.name, schema=schema)


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """The feed of a source that has a log."""

    clock: Clock

    async def source(self, database: Database, /) -> str:
        newest = select(_LOG.entity_id).where(_LOG.entity == _SOURCE).order_by(_LOG.seq.desc()).limit(1)
        return await database.read(lambda connection: connection.execute(newest).scalar() or "")

    async def now(self, database: Database, /) -> Position:
        return await database.read(_now)

    async def valid(self, database: Database, position: Position, /) -> bool:
        newest = await database.read(_newest)
        try:
            return (int(position["tx"]), int(position["seq"])) <= newest
        except (KeyError, TypeError, ValueError):
            return False

    async def read(self, database: Database, position: Position, limit: int, /) -> Portion:
        def work(connection: Connection) -> Portion:
            rows = logged(connection, _behind(connection, position).limit(limit))
            if not rows:
                return Portion((), position, more=False)
            place = {"tx": int(rows[-1].tx), "seq": rows[-1].seq}
            since = min(oldest(rows).values(), default=None)
            return Portion([row.change for row in rows], place, len(rows) == limit, since)

        return await database.read(work)

    async def waiting(self, database: Database, position: Position, /) -> Waiting:
        def work(connection: Connection) -> Waiting:
            since = _oldest(connection, _unread(connection, position).limit(_PEEK))
            held_up = None if not since or _on_sqlite(connection) else obstacle(connection)
            return Waiting(since, held_up and held_up.fields())

        return await database.read(work)

    async def prune(self, database: Database, position: Position, /) -> int:
        day = self._today() - KEEP
        oldest = select(_LOG.changed_at).where(_LOG.entity != _SOURCE).order_by(_LOG.seq).limit(1)
        moment = await database.read(lambda connection: connection.execute(oldest).scalar())
        if moment is None or moment >= day:
            return 0

        def work(connection: Connection) -> int:
            confirmed = and_(_LOG.entity != _SOURCE, _LOG.changed_at < day, _up_to(connection, position))
            return connection.execute(delete(change_log).where(confirmed)).rowcount

        return await database.write(work)

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), UTC)


def _oldest(connection: Connection, found: Select[*tuple[Any, ...]]) -> Mapping[Change, float]:
    """Return since when changes wait, by kind."""
    rows = found.subquery().c
    since = select(rows.entity, rows.op, func.min(rows.changed_at).label("since"))
    try:
        kinds = connection.execute(since.group_by(rows.entity, rows.op)).all()
        return {Change(row.entity, "", row.op == "link"): row.since.timestamp() for row in kinds}
    except Exception as error:
        if not is_spoilt(error):
            raise
    return oldest(logged(connection, found))


def _behind(connection: Connection, position: Position) -> Select[*tuple[Any, ...]]:
    found = _unread(connection, position)
    return found if _on_sqlite(connection) else found.where(literal_column(f"({_TX} < {HORIZON})"))


def _unread(connection: Connection, position: Position) -> Select[*tuple[Any, ...]]:
    """Read the rows behind a position, also those that are not settled yet."""
    columns = (_LOG.seq, _LOG.entity, _LOG.entity_id, _LOG.op, _LOG.changed_at)
    if _on_sqlite(connection):
        found = select(*columns, literal_column("0").label("tx"))
        return found.where(_LOG.seq > int(position["seq"])).order_by(_LOG.seq)
    found = select(*columns, literal_column(f"{_TX}::text").label("tx"))
    return found.where(not_(_up_to(connection, position))).order_by(_TX, _LOG.seq)


def _up_to(connection: Connection, position: Position) -> ColumnElement[bool]:
    """Mean the rows at a position and before."""
    tx, seq = int(position["tx"]), int(position["seq"])
    if _on_sqlite(connection):
        return _LOG.seq <= seq
    # As figures, for the driver knows no parameter of this type; int() has made sure that they are.
    return literal_column(f"(({_TX}, {SCHEMA}.change_log.seq) <= ('{tx}'::xid8, {seq}))")


def _now(connection: Connection) -> Position:
    if _on_sqlite(connection):
        return dict(zip(("tx", "seq"), _newest(connection), strict=True))
    # Behind every number of the transactions before the oldest that may still write here.
    oldest_open = connection.execute(text(f"SELECT {HORIZON}::text")).scalar_one()
    return {"tx": int(oldest_open) - 1, "seq": _BEYOND}


def _newest(connection: Connection) -> tuple[int, int]:
    """Return the last position that this source may have given out."""
    if _on_sqlite(connection):
        # The newest number given, whether or not its row has been pruned.
        seq = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'change_log'")).scalar()
        return 0, seq or 0
    # Not the horizon, which goes back while it is not known whose transaction one is.
    return int(connection.execute(text(f"SELECT {NEXT}::text")).scalar_one()) - 1, _BEYOND


def _on_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
