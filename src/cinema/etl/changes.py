"""Follow a source by its `change_log`: position by position, nothing of an open transaction passed over.

On SQLite, which has one writer, rows become visible in the order of their numbers, and a number is a position. On
PostgreSQL a transaction that began early may commit late, and its rows would appear behind a reader that goes by
numbers. There the position is (transaction, number), and only transactions below the oldest that may still write here
are read (`horizon`): of those no row can come any more, and a transaction that begins later has a larger id.
A position names the last row before it as well. Where that row is another one, or is gone though nobody has pruned it,
the source is not the one that gave the position out: a backup was restored, however much it has written since.
A standby that was promoted may lack any transaction that was committed late, of which no single row tells: there a
position names the timeline of PostgreSQL too, which begins with each promotion (`horizon`). As a server may be another
one in the middle of a pass, each reading looks at this again.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

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
from cinema.etl.checkpoints import (
    Checkpoint,
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
from cinema.etl.feed import Change, Portion, SourceReplaced, Waiting
from cinema.etl.horizon import HORIZON, NEXT, is_of, obstacle, timeline
from cinema.etl.logged import Logged, logged, oldest
from cinema.etl.state import Position
from cinema.etl.unread import is_spoilt
from stagedoor._clock import Clock

__all__ = ["KEEP", "ChangeLog", "has_change_log"]

KEEP: Final = timedelta(days=7)
_SOURCE: Final = "source"
_BEYOND: Final = 2**62  # no number is that large
_NEVER: Final = datetime(3000, 1, 1, tzinfo=UTC)  # from then on, what stands for a moment is none

_LOG = change_log.c
_TX: ColumnElement[Any] = literal_column(f"{SCHEMA}.change_log.tx")
_PEEK: Final = 10_000  # of what waits, the oldest


def has_change_log(connection: Connection) -> bool:
    """Tell whether this source logs its changes."""
    schema = None if _on_sqlite(connection) else SCHEMA
    return inspect(connection).has_table(change_log.name, schema=schema)


class _Row(NamedTuple):
    """A row of the log, by which its source is known again."""

    tx: int
    seq: int
    about: str


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
            place, row = _place(position), _row_of(position)
        except (KeyError, TypeError, ValueError, OverflowError):
            return False
        newest = await database.read(_newest)
        if place > newest:
            return False
        if not is_of(position, await database.read(timeline)):
            return False
        found = await database.read(lambda connection: _row_again(connection, row))
        try:
            own = (await database.read(marks_in)).get(self.consumer)
            if is_due(own, place, self._now()):
                # Where one may only read, others may prune too much; that is seen here, too.
                with suppress(DBAPIError, DatabaseUnavailable):
                    await database.write(self._mark(place))
            pruned = await database.read(lambda connection: pruned_in(connection, newest))
        except DBAPIError:  # no such tables yet, or not for our eyes: the row has to be there
            return found == row
        return not void(own, place, pruned, self._now()) and _is_same(row, found, pruned)

    def carried(self, position: Position, /) -> Position:
        return position

    def together(self, position: Position, carried: Sequence[Position], /) -> Sequence[Position]:
        try:
            return sorted([position, *carried], key=_place)
        except (KeyError, TypeError, ValueError, OverflowError):
            return ()

    async def read(self, database: Database, position: Position, limit: int, /) -> Portion:
        def work(connection: Connection) -> Portion:
            line = _timeline(connection)  # once: a standby may be promoted meanwhile
            _refuse_another(connection, position, line)
            rows = logged(connection, _behind(connection, position).limit(limit))
            if not rows:
                return Portion((), {**position, **line}, more=False)
            last = {"tx": int(rows[-1].tx), "seq": rows[-1].seq, "row": _said(rows[-1])._asdict()}
            place = {**position, **last, **line}
            since = min(oldest(rows).values(), default=None)
            return Portion([row.change for row in rows], place, len(rows) == limit, since)

        return await database.read(work)

    async def waiting(self, database: Database, position: Position, /) -> Waiting:
        def work(connection: Connection) -> Waiting:
            since = _oldest(connection, _known(connection, _unread(connection, position)).limit(_PEEK))
            held_up = None if not since or _on_sqlite(connection) else obstacle(connection)
            return Waiting(since, held_up and held_up.fields())

        return await database.read(work)

    async def prune(self, database: Database, position: Position, /) -> int:
        place, now = _place(position), self._now()
        if is_due((await database.read(marks_in)).get(self.consumer), place, now):
            await database.write(self._mark(place))
        if await database.read(lambda connection: _last_old(connection, now)) is None:
            return 0
        return await database.write(lambda connection: _prune(connection, now))

    def _mark(self, place: Place) -> Callable[[Connection], None]:
        return lambda connection: leave(connection, self.consumer, Checkpoint(place, self._now()))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), UTC)


def _prune(connection: Connection, now: datetime) -> int:
    keep_marks(connection)
    last = _last_old(connection, now)
    if last is None:
        return 0
    note_pruned(connection, last)
    gone = and_(_LOG.entity != _SOURCE, _up_to(connection, last))
    return connection.execute(delete(change_log).where(gone)).rowcount


def _last_old(connection: Connection, now: datetime) -> Place | None:
    """Return the place of the last row that may be pruned; all before it are old as well, and confirmed by all."""
    place, day = confirmed(marks_in(connection).values(), now), now - KEEP
    rows = _rows(connection).where(_LOG.entity != _SOURCE)
    first = _first(connection, rows.order_by(*_order(connection)))
    if place is None or first is None or _is_young(first, day) or (int(first.tx), first.seq) > place:
        return None
    young = rows.where(_LOG.changed_at >= day, _LOG.changed_at < _NEVER)
    first = _first(connection, young.order_by(*_order(connection)))
    before = place if first is None else min(place, (int(first.tx), first.seq - 1))
    last = _first(connection, rows.where(_up_to(connection, before)).order_by(*_backwards(connection)))
    return last and (int(last.tx), last.seq)


def _is_young(row: Logged, day: datetime) -> bool:
    return row.changed_at is not None and day <= row.changed_at < _NEVER


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


def _first(connection: Connection, rows: Select[*tuple[Any, ...]]) -> Logged | None:
    return next(iter(logged(connection, rows.limit(1))), None)


def _behind(connection: Connection, position: Position) -> Select[*tuple[Any, ...]]:
    found = _unread(connection, position)
    return found if _on_sqlite(connection) else found.where(literal_column(f"({_TX} < {HORIZON})"))


def _unread(connection: Connection, position: Position) -> Select[*tuple[Any, ...]]:
    """Read the rows behind a position, also those that are not settled yet."""
    rows = _rows(connection).where(not_(_up_to(connection, _place(position))))
    return rows.order_by(*_order(connection))


def _known(connection: Connection, rows: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Leave out what another server has written, whose dump was restored here: its transactions are yet to come."""
    return rows if _on_sqlite(connection) else rows.where(literal_column(f"({_TX} < {NEXT})"))


def _rows(connection: Connection) -> Select[*tuple[Any, ...]]:
    tx: ColumnElement[Any] = literal_column("0" if _on_sqlite(connection) else f"{_TX}::text")
    return select(_LOG.seq, _LOG.entity, _LOG.entity_id, _LOG.op, _LOG.changed_at, tx.label("tx"))


def _order(connection: Connection) -> Sequence[ColumnElement[Any]]:
    return [_LOG.seq] if _on_sqlite(connection) else [_TX, _LOG.seq]


def _backwards(connection: Connection) -> Sequence[ColumnElement[Any]]:
    return [column.desc() for column in _order(connection)]


def _place(said: Mapping[str, Any]) -> Place:
    tx, seq = int(said["tx"]), int(said["seq"])
    if not (0 <= tx <= _BEYOND and 0 <= seq <= _BEYOND):
        raise ValueError("there are no such numbers")
    return tx, seq


def _row_of(position: Position) -> _Row | None:
    row = position["row"]
    return None if row is None else _Row(*_place(row), row["about"])


def _said(row: Logged) -> _Row:
    return _Row(int(row.tx), row.seq, f"{row.op} {row.entity} {row.entity_id} {row.changed_at}")


def _row_again(connection: Connection, row: _Row | None) -> _Row | None:
    """Return the row that has the number of this one now."""
    if row is None:
        return None
    found = _first(connection, _rows(connection).where(_LOG.seq == row.seq))
    return None if found is None else _said(found)


def _is_same(row: _Row | None, found: _Row | None, pruned: Place | None) -> bool:
    """Tell whether a row is there as it was, or was pruned."""
    if row is None or found is not None:
        return row == found
    return pruned is not None and (row.tx, row.seq) <= pruned


def _refuse_another(connection: Connection, position: Position, line: Position) -> None:
    """Raise `SourceReplaced` where a database has come into the place of the one that gave a position out."""
    row = _row_of(position)
    found = _row_again(connection, row)
    pruned = None
    if row is not None and found is None:
        with suppress(DBAPIError):  # no such table yet, or not for our eyes
            pruned = pruned_in(connection, _newest(connection))
    if not (is_of(position, line.get("timeline")) and _is_same(row, found, pruned)):
        raise SourceReplaced("another database has come into the place of the source")


def _timeline(connection: Connection) -> Position:
    """Return what a position is to say of the timeline; nothing where there is none, or none is told."""
    found = timeline(connection)
    return {} if found is None else {"timeline": found}


def _up_to(connection: Connection, place: Place) -> ColumnElement[bool]:
    """Mean the rows at a position and before."""
    tx, seq = place
    if _on_sqlite(connection):
        return _LOG.seq <= seq
    # As figures, for the driver knows no parameter of this type; int() has made sure that they are.
    return literal_column(f"(({_TX}, {SCHEMA}.change_log.seq) <= ('{tx}'::xid8, {seq}))")


def _now(connection: Connection) -> Position:
    place = _newest(connection)
    if not _on_sqlite(connection):
        # Behind every number of the transactions before the oldest that may still write here.
        place = int(connection.execute(text(f"SELECT {HORIZON}::text")).scalar_one()) - 1, _BEYOND
    row = _first(
        connection, _rows(connection).where(_up_to(connection, place)).order_by(*_backwards(connection))
    )
    said = None if row is None else _said(row)._asdict()
    return {"tx": place[0], "seq": place[1], "row": said, **_timeline(connection)}


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
