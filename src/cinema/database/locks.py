"""Locks of PostgreSQL that hold between machines: each lives as long as the connection that took it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cinema.database.engine import DatabaseUnavailable, PostgresDatabase, outages

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["Lock", "lock_of"]

# A machine that vanishes sends nothing: after this long the server takes its connection, and its locks, for gone.
_SESSION: Final = (
    "SELECT set_config('application_name', :name, false), set_config('tcp_keepalives_idle', '10', false), "
    "set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)"
)
_TAKE: Final = "SELECT pg_try_advisory_lock(:key)"
_HOLDER: Final = (
    "SELECT activity.application_name FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid) "
    "WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1 AND held.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (held.classid::bigint << 32) + held.objid::bigint = :key"
)


class Lock:
    """One lock, on a connection of its own."""

    def __init__(self, connection: "AsyncConnection", key: int, name: str) -> None:
        self._connection = connection
        self._key = key
        self._name = name

    async def take(self) -> str | None:
        """Take the lock if it is free, else return the name of who has it; raises `DatabaseUnavailable`."""
        with outages():
            await self._connection.execute(text(_SESSION), {"name": self._name})
            if (await self._connection.execute(text(_TAKE), {"key": self._key})).scalar_one():
                return None
            holder = (await self._connection.execute(text(_HOLDER), {"key": self._key})).scalar()
            return str(holder or "somebody")

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """End the block with `DatabaseUnavailable` as soon as the connection, and so the lock, is lost."""
        raw = (await self._connection.get_raw_connection()).driver_connection
        assert raw is not None  # noqa: S101 - SQLAlchemy: none only after it was given back
        loop = asyncio.get_running_loop()
        scope = asyncio.timeout(None)

        def end(_: object) -> None:
            scope.reschedule(loop.time())

        try:
            async with scope:
                raw.add_termination_listener(end)
                try:
                    yield
                finally:
                    raw.remove_termination_listener(end)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DatabaseUnavailable("the connection with the lock was lost") from error


@asynccontextmanager
async def lock_of(database: PostgresDatabase, key: int, name: str) -> AsyncIterator[Lock]:
    """Give a lock that is known by its key; at the end of the block its connection ends, and the lock with it.

    `name` is shown to others who want it.
    """
    connection = await database.connect()
    try:
        yield Lock(connection, key, name)
    finally:
        with suppress(SQLAlchemyError, OSError):
            await connection.invalidate()
        await connection.close()
