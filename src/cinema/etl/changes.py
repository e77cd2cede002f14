"""Follow a source by its `change_log`: position by position, nothing of an open transaction passed over.

On SQLite, which has one writer, rows become visible in the order of their numbers, and a number is a position. On
PostgreSQL a transaction that began early may commit late, and its rows would appear behind a reader that goes by
numbers. There the position is (transaction, number), and only transactions below the oldest that may still write here
are read (`horizon`): of those no row can come any more, and a transaction that begins later has a larger id.
A position beyond what the source has given out belongs to another one, a restored backup for instance.
"""

from collections.abc import Callable
from contextlib import suppress
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
from sqlalchemy.exc import DBAPIError

from cinema.database import Database, DatabaseUnavailable
from cinema.database.tables import SCHEMA, change_log
from cinema.etl.feed import Change, Portion, Waiting
from cinema.etl.horizon import HORIZON, NEXT, obstacle
from cinema.etl.marks import (
    Mark,
    Place,
    confirmed,
    is_due,
    keep_marks,
    leave,
    marks_in,
    note_pruned,
    pruned_in,
    void,
)
from cinema.etl.state import Position
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
    """The feed of a source that has a log, for one consumer of it."""

    clock: Clock
    consumer: str = "index"

    async def source(self, database: Database, /) -> str:
        newest = select(_LOG.entity_id).where(_LOG.entity == _SOURCE).order_by(_LOG.seq.desc()).limit(1)
        return await database.read(lambda connection: connection.execute(newest).scalar() or "")

    async def now(self, database: Database, /) -> Position:
        return await database.read(_now)

    async def valid(self, database: Database, position: Position, /) -> bool:
        try:
            place = int(position["tx"]), int(position["seq"])
        except (KeyError, TypeError, ValueError):
            return False
        if place > await database.read(_newest):
            return False
        try:
            own = (await database.read(marks_in)).get(self.consumer)
            if is_due(own, place, self._now()):
                with suppress(
                    DBAPIError, DatabaseUnavailable
                ):  # where one may only read; others may prune too much
                    await database.write(self._mark(place))
            pruned = await database.read(pruned_in)
        except DBAPIError:  # no such tables yet: nobody prunes
            return True
        return not void(own, place, pruned, self._now())

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

    async def waiting(self, database: Database, position: Position, /) -> Waiting:
        def work(connection: Connection) -> Waiting:
            rows = _unread(connection, position).limit(_PEEK).subquery()
            oldest = select(rows.c.entity, rows.c.op, func.min(rows.c.changed_at).label("since"))
            found = connection.execute(oldest.group_by(rows.c.entity, rows.c.op)).all()
            since = {Change(row.entity, "", row.op == "link"): row.since.timestamp() for row in found}
            held_up = None if not found or _on_sqlite(connection) else obstacle(connection)
            return Waiting(since, held_up and held_up.fields())

        return await database.read(work)

    async def prune(self, database: Database, position: Position, /) -> int:
        place, now = (int(position["tx"]), int(position["seq"])), self._now()
        if is_due((await database.read(marks_in)).get(self.consumer), place, now):
            await database.write(self._mark(place))
        if await database.read(lambda connection: _last_old(connection, now)) is None:
            return 0
        return await database.write(lambda connection: _prune(connection, now))

    def _mark(self, place: Place) -> Callable[[Connection], None]:
        return lambda connection: leave(connection, self.consumer, Mark(place, self._now()))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), UTC)


def _prune(connection: Connection, now: datetime) -> int:
    keep_marks(connection)
    last = _last_old(connection, now)
    if last is None:
        return 0
    note_pruned(connection, last)
    return connection.execute(delete(change_log).where(_old(connection, last, now))).rowcount


def _last_old(connection: Connection, now: datetime) -> Place | None:
    """Return the place of the last row that may be pruned."""
    place = confirmed(marks_in(connection).values(), now)
    if place is None:
        return None
    on_sqlite = _on_sqlite(connection)
    tx: ColumnElement[Any] = literal_column("0" if on_sqlite else f"{_TX}::text::bigint")
    order = [_LOG.seq.desc()] if on_sqlite else [_TX.desc(), _LOG.seq.desc()]
    old = select(tx.label("tx"), _LOG.seq).where(_old(connection, place, now))
    found = connection.execute(old.order_by(*order).limit(1)).first()
    return found and (found.tx, found.seq)


def _old(connection: Connection, place: Place, now: datetime) -> ColumnElement[bool]:
    return and_(_LOG.entity != _SOURCE, _LOG.changed_at < now - KEEP, _up_to(connection, place))


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
    place = int(position["tx"]), int(position["seq"])
    return found.where(not_(_up_to(connection, place))).order_by(_TX, _LOG.seq)


def _up_to(connection: Connection, place: Place) -> ColumnElement[bool]:
    """Mean the rows at a position and before."""
    tx, seq = place
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
