"""Follow a source by its `change_log`: position by position, nothing of an open transaction passed over.

On SQLite, which has one writer, rows become visible in the order of their numbers, and a number is a position. On
PostgreSQL a transaction that began early may commit late, and its rows would appear behind a reader that goes by
numbers. There the position is (transaction, number), and only transactions below the oldest that is still open are
read: of those no row can come any more, and a transaction that begins later has a larger id.
A position beyond what the source has given out belongs to another one, a restored backup for instance.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    inspect,
    literal_column,
    not_,
    select,
    text,
)

from cinema.database import Database
from cinema.database.tables import SCHEMA, change_log
from cinema.etl.feed import Change, Portion
from cinema.etl.state import Position
from stagedoor.clock import Clock

__all__ = ["KEEP", "ChangeLog", "has_change_log"]

KEEP: Final = timedelta(days=7)
_SOURCE: Final = "source"
_BEYOND: Final = 2**62  # no number is that large

_LOG = change_log.c
_TX: ColumnElement[Any] = literal_column(f"{SCHEMA}.change_log.tx")
_XMIN: Final = "pg_snapshot_xmin(pg_current_snapshot())"


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
        now = await self.now(database)
        try:
            return (int(position["tx"]), int(position["seq"])) <= (now["tx"], now["seq"])
        except (KeyError, TypeError, ValueError):
            return False

    async def read(self, database: Database, position: Position, limit: int, /) -> Portion:
        def work(connection: Connection) -> Portion:
            rows = connection.execute(_behind(connection, position).limit(limit)).all()
            if not rows:
                return Portion((), position, more=False)
            changes = [Change(row.entity, row.entity_id, row.op == "link") for row in rows]
            place = {"tx": int(rows[-1].tx), "seq": rows[-1].seq}
            oldest = min(row.changed_at for row in rows)
            return Portion(changes, place, len(rows) == limit, oldest.timestamp())

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


def _behind(connection: Connection, position: Position) -> Select[*tuple[Any, ...]]:
    columns = (_LOG.seq, _LOG.entity, _LOG.entity_id, _LOG.op, _LOG.changed_at)
    if _on_sqlite(connection):
        found = select(*columns, literal_column("0").label("tx"))
        return found.where(_LOG.seq > int(position["seq"])).order_by(_LOG.seq)
    found = select(*columns, literal_column(f"{_TX}::text").label("tx"))
    settled: ColumnElement[bool] = literal_column(f"({_TX} < {_XMIN})")
    return found.where(not_(_up_to(connection, position)), settled).order_by(_TX, _LOG.seq)


def _up_to(connection: Connection, position: Position) -> ColumnElement[bool]:
    """Mean the rows at a position and before."""
    tx, seq = int(position["tx"]), int(position["seq"])
    if _on_sqlite(connection):
        return _LOG.seq <= seq
    # As figures, for the driver knows no parameter of this type; int() has made sure that they are.
    return literal_column(f"(({_TX}, {SCHEMA}.change_log.seq) <= ('{tx}'::xid8, {seq}))")


def _now(connection: Connection) -> Position:
    if _on_sqlite(connection):
        # The newest number given, whether or not its row has been pruned.
        seq = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'change_log'")).scalar()
        return {"tx": 0, "seq": seq or 0}
    # Behind every number of the transactions before the oldest open one.
    oldest_open = connection.execute(text(f"SELECT {_XMIN}::text")).scalar_one()
    return {"tx": int(oldest_open) - 1, "seq": _BEYOND}


def _on_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
