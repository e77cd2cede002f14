"""Up to where the log of a PostgreSQL is settled: the oldest transaction that may still add to it, and who that is.

A snapshot names the transactions that are open and have an id, which is given at the first write: readers hold nothing
up. It names those of all databases of the server. One that is seen to belong to another database cannot write here and
is left out; one that ends while it is looked up counts until the next look. All views that are asked show these columns
to everybody. Prepared transactions have no session; they stay until somebody commits them or rolls them back.
On a standby a snapshot names nobody, and its lower end has to do.

Each promotion of a standby begins a timeline: what its predecessor did last may be missing there.
"""

# ruff: noqa: S608 - these statements are made of our own words
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

__all__ = ["HORIZON", "NEXT", "Obstacle", "is_of", "obstacle", "timeline"]

_SNAPSHOT: Final = "pg_current_snapshot()"
_ELSEWHERE: Final = (
    "SELECT activity.backend_xid FROM pg_stat_activity AS activity WHERE activity.backend_xid IS NOT NULL "
    "AND activity.datname <> current_database() UNION ALL "
    "SELECT prepared.transaction FROM pg_prepared_xacts AS prepared WHERE prepared.database <> current_database()"
)
_OPEN: Final = (
    f"SELECT open.id FROM pg_snapshot_xip({_SNAPSHOT}) AS open(id) "
    f"WHERE open.id::xid NOT IN ({_ELSEWHERE}) ORDER BY open.id LIMIT 1"
)
NEXT: Final = f"pg_snapshot_xmax({_SNAPSHOT})"  # no transaction with this id or a later one has ended
HORIZON: Final = (
    f"(SELECT CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmin({_SNAPSHOT}) "
    f"ELSE coalesce(({_OPEN}), {NEXT}) END)"
)
_TIMELINE: Final = text(
    "SELECT CASE WHEN NOT pg_is_in_recovery() "
    "THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END"
)
_WHO: Final = text(
    "WITH oldest AS (SELECT min(found.id::text::bigint) % 4294967296 AS id "  # as pg_stat_activity writes it
    f"FROM ({_OPEN}) AS found) "
    "SELECT activity.pid, activity.application_name, NULL AS gid, activity.xact_start AS since "
    "FROM pg_stat_activity AS activity JOIN oldest ON activity.backend_xid::text = oldest.id::text UNION ALL "
    "SELECT NULL, NULL, prepared.gid, prepared.prepared "
    "FROM pg_prepared_xacts AS prepared JOIN oldest ON prepared.transaction::text = oldest.id::text"
)


class Obstacle(NamedTuple):
    """A transaction that holds changes back: a session's, or a prepared one with its gid."""

    pid: int | None
    application_name: str | None
    gid: str | None
    since: str | None  # RFC 3339; None where the database does not tell it to this user

    def fields(self) -> dict[str, Any]:
        """Return what is known of it."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def obstacle(connection: Connection) -> Obstacle | None:
    """Return the oldest transaction that holds changes back, if there is one."""
    found = connection.execute(_WHO).first()
    if found is None:
        return None
    return Obstacle(found.pid, found.application_name, found.gid, found.since and found.since.isoformat())


def timeline(connection: Connection) -> str | None:
    """Return the timeline that the server writes on; None if it is a standby, has none, or does not tell."""
    if connection.dialect.name == "sqlite":
        return None
    try:
        found: str | None = connection.execute(_TIMELINE).scalar_one()
    except DBAPIError:  # what speaks PostgreSQL's language need not have its log
        return None
    return found


def is_of(position: Mapping[str, Any], now: str | None) -> bool:
    """Tell whether a position may be of this timeline; where one of both is not known, it may."""
    known = position.get("timeline")
    return known is None or now is None or known == now
