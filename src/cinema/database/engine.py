"""Open SQLite or PostgreSQL behind one seam: hand in a plain function of a connection, await its result.

Theory. What a service asks of its database is a function `work(connection)` over SQLAlchemy Core. On
PostgreSQL it runs on an asyncpg connection inside SQLAlchemy's greenlet. On SQLite, where every call
blocks anyway, it runs whole in a thread of ours (`lanes`): at most one hop to the thread and back for
each read, where the aiosqlite driver makes four to six, each with a future and a wake-up. Measured, one
row by id: 60 to 70 microseconds of CPU in a thread that keeps its connection, 250 to 550 through
aiosqlite. So `sqlite+aiosqlite://` in a setting names the file, and the standard library reads it.

Reads run without a transaction; `write` runs inside one. SQLite has one writer: its transactions begin
IMMEDIATE, so that two writers wait for each other at the door instead of failing half way. The schema
`content` exists on PostgreSQL only; on SQLite it is translated away. Nothing connects before first use.
Transactions of PostgreSQL are READ COMMITTED, which the writers of memes and the log of changes count on.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from cinema.database.away import meaning, sqlite_is_away
from cinema.database.lanes import Lane, Lanes
from cinema.libpq import arguments_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = [
    "Database",
    "DatabaseUnavailable",
    "PostgresDatabase",
    "SqliteDatabase",
    "open_database",
    "outages",
    "refusals_of_driver",
]

T = TypeVar("T")

_READERS = 2  # one reads faster than two; the second keeps a long list from holding up the rest
_BUSY_SECONDS = 5.0
_BUSY_PAUSE = 0.02
_CONNECT_SECONDS = 2.0
_STATEMENT_SECONDS = 30.0
_LOOK_SECONDS = 1.0


class DatabaseUnavailable(Exception):
    """Tell that the database could not be reached or did not answer in time; its cause is kept."""


class _ConnectionLost(DatabaseUnavailable):
    """Tell that a connection ended under the work; another one may stand."""


class Database(Protocol):
    """Run functions over a connection, off the event loop's time."""

    async def read(self, work: Callable[[Connection], T], /) -> T:
        """Return `work(connection)`, outside any transaction.

        Raises:
            DatabaseUnavailable: no connection, or it was lost and a second one failed too.

        """
        ...

    async def write(self, work: Callable[[Connection], T], /) -> T:
        """Return `work(connection)` from one transaction: committed if it returns, undone if it raises."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def open_database(url: str, pool_size: int = 10, *, mapped: bool = False) -> Database:
    """Return the database a checked `DATABASE_URL` names; it connects at first use.

    With `mapped` an SQLite file is read as memory, which is for processes that read all of it and may be lost: a third
    less CPU, but the kernel counts what was read as memory of the process, and ends it if the file becomes shorter.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return SqliteDatabase(Path(parsed.database or ""), min(pool_size, _READERS), mapped=mapped)
    return PostgresDatabase(parsed, pool_size)


class SqliteDatabase:
    """Read one SQLite file in a few threads and write it in one."""

    def __init__(self, path: Path, readers: int, *, mapped: bool = False) -> None:
        self._path = path
        self._reading = _sqlite_engine(path, readers)
        self._readers = [_ReadingConnection(self._reading, path) for _ in range(readers)]
        self._lanes = Lanes([Lane(reader, "sqlite-read") for reader in self._readers])
        self._writer = ThreadPoolExecutor(1, "sqlite-write")
        self._writing = _sqlite_engine(path, 1)
        event.listen(self._reading, "connect", _refuse_writes)
        if mapped:
            event.listen(self._reading, "connect", _map)
        event.listen(self._writing, "begin", _begin_immediate)
        event.listen(self._writing, "connect", partial(_note_file, path))
        event.listen(self._writing, "checkout", partial(_refuse_another, path))

    def __repr__(self) -> str:
        return f"<SqliteDatabase {self._reading.pool.status()}>"

    async def read(self, work: Callable[[Connection], T], /) -> T:
        return await self._lanes.run(work)

    async def write(self, work: Callable[[Connection], T], /) -> T:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return await asyncio.get_running_loop().run_in_executor(
            self._writer, partial(_inside, self._writing, work)
        )

    async def close(self) -> None:
        await self._lanes.close()
        for reader in self._readers:
            reader.close()
        await asyncio.to_thread(self._writer.shutdown)
        self._reading.dispose()
        self._writing.dispose()


class PostgresDatabase:
    """Read and write PostgreSQL through a pool of asyncpg connections."""

    def __init__(self, url: URL, pool_size: int) -> None:
        # Imported here: a platform on SQLite never pays for the driver.
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

        query, arguments = arguments_of(url.query)
        self._engine = create_async_engine(
            url.set(query=query),
            # What waits for another's end wants to see what that one did, whatever is usual in this database.
            isolation_level="READ COMMITTED",
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _STATEMENT_SECONDS,
                **arguments,
            },
        )
        event.listen(self._engine.sync_engine, "handle_error", _judge)
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        # Reads are single statements: without a transaction round each they cost one round trip, not three.
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def __repr__(self) -> str:
        return f"<PostgresDatabase {self._engine.pool.status()}>"

    async def read(self, work: Callable[[Connection], T], /) -> T:
        with suppress(_ConnectionLost):
            return await self._read(work)
        # A server that ends takes reads along that the next one answers; the pool is empty by now.
        return await self._read(work)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        with outages():
            async with AsyncExitStack() as stack:
                with _reaching():
                    connection = await stack.enter_async_context(self._reading.connect())
                return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], T], /) -> T:
        with outages():
            async with AsyncExitStack() as stack:
                with _reaching():
                    connection = await stack.enter_async_context(self._engine.connect())
                await stack.enter_async_context(connection.begin())
                return await connection.run_sync(work)

    async def connect(self) -> "AsyncConnection":
        """Return a connection of the pool to be kept for a while, and closed; raises `DatabaseUnavailable`."""
        with _reaching():
            return await self._reading.connect()

    async def close(self) -> None:
        await self._engine.dispose()


@contextmanager
def outages() -> Iterator[None]:
    """Turn an outage into `DatabaseUnavailable`; what is a fault of ours passes as it is."""
    try:
        yield
    except (PoolTimeout, OSError) as error:
        raise DatabaseUnavailable(str(error)) from error
    except DBAPIError as error:
        if not sqlite_is_away(error.orig):
            raise
        raise DatabaseUnavailable(str(error)) from error


@contextmanager
def _reaching() -> Iterator[None]:
    """Turn whatever keeps a connection from being made into `DatabaseUnavailable`: a refusal, a start, a full house.

    What is wrong with our own call, an option the driver does not know, passes as it is.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        raise DatabaseUnavailable(str(error)) from error
    except (DatabaseUnavailable, SQLAlchemyError, AttributeError, TypeError):
        raise
    except Exception as error:
        raise DatabaseUnavailable(str(error)) from error


def _judge(context: ExceptionContext) -> None:
    """Hear of each error on a connection: `DatabaseUnavailable` for an outage, and no pool keeps what was lost.

    To SQLAlchemy a statement that is cancelled has lost its connection, too: whoever was told to leave has to leave.
    """
    error = context.original_exception
    if not isinstance(error, Exception):
        return
    sent = context.execution_context is not None or hasattr(error, "sqlstate")  # it is the driver who says it
    if context.connection is None or not sent:
        return
    match meaning(error, closed=context.is_disconnect):
        case "lost":
            context.is_disconnect = True
            raise _ConnectionLost(str(error)) from error
        case "away":
            raise DatabaseUnavailable(str(error)) from error


@contextmanager
def refusals_of_driver(connection: Connection, statement: str) -> Iterator[None]:
    """Turn what PostgreSQL's driver says by itself, past SQLAlchemy, into what it would have become there.

    Raises:
        DatabaseUnavailable: an outage; a connection that was lost is given up.
        DBAPIError: a fault of the statement or of its rows, named in place of these.

    """
    try:
        yield
    except Exception as error:
        closed = connection.connection.driver_connection.is_closed()  # type: ignore[union-attr]
        match meaning(error, closed=closed):
            case "lost":
                connection.invalidate(error)
                raise _ConnectionLost(str(error)) from error
            case "away":
                raise DatabaseUnavailable(str(error)) from error
        raise DBAPIError(statement, None, error, hide_parameters=True) from error


def _refuse_closed(connection: Any, _: ConnectionPoolEntry, __: object) -> None:  # noqa: ANN401 - the dialect's
    """Have another connection made in place of one that the server has closed; asks nobody, and costs nothing."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _sqlite_engine(path: Path, pool_size: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=pool_size,
        max_overflow=0,
        pool_reset_on_return=None,
        # isolation_level None: the driver opens no transaction of its own; ours are written out.
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS, "isolation_level": None},
        execution_options={"schema_translate_map": {"content": None}},
    )
    event.listen(engine, "connect", _set_up)
    return engine


def _set_up(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # WAL: readers and the writer do not wait for each other; NORMAL is safe with it when a process dies.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    end = time.monotonic() + _BUSY_SECONDS
    while not _has_log(connection, last=time.monotonic() >= end):
        time.sleep(_BUSY_PAUSE)


def _has_log(connection: sqlite3.Connection, *, last: bool) -> bool:
    """Change a file to WAL, once for all; False while another is at a new file: SQLite then waits for nobody."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _refuse_writes(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA query_only = ON")


def _map(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute(f"PRAGMA mmap_size = {1 << 40}")  # as much as the library allows


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return which file lies there; None if none does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_another(file: tuple[int, int] | None, path: Path) -> bool:
    """Tell whether another file has been put in the place of one; none at all is on its way, and not to be made."""
    there = _file_at(path)
    return there is not None and there != file


def _note_file(path: Path, _: object, record: ConnectionPoolEntry) -> None:
    record.info["file"] = _file_at(path)


def _refuse_another(path: Path, _: object, record: ConnectionPoolEntry, __: object) -> None:
    if _is_another(record.info["file"], path):
        raise DisconnectionError


class _ReadingConnection:
    """One connection, kept open from read to read; a read that fails closes it, and the next opens another.

    So does the first read behind a second after another file, such as a backup, was put in the place of this one.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None
        self._looked = 0.0

    def __call__(self, work: Callable[[Connection], T]) -> T:
        with outages():
            self._look()
            if self._connection is None:
                self._file = _file_at(self._path)
                self._connection = self._engine.connect()
            try:
                return work(self._connection)
            except BaseException:
                self.close()
                raise

    def _look(self) -> None:
        now = time.monotonic()
        if self._connection is None or now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        if _is_another(self._file, self._path):
            self._connection.invalidate()
            self.close()

    def close(self) -> None:
        """Give the connection back, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _inside(engine: Engine, work: Callable[[Connection], T]) -> T:
    with outages(), engine.begin() as connection:
        return work(connection)
