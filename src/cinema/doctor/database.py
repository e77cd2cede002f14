"""Ask whether the database answers, to us, in a version that will do, with the tables of this release."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from cinema.checks import sqlite_file
from cinema.database import DatabaseUnavailable, open_database
from cinema.database.causes import causes_of, is_no_postgres
from cinema.database.faults import of_database as fault_of
from cinema.database.migrate import head, is_current, lacks_tables, revision
from cinema.doctor.asking import SECONDS
from cinema.doctor.clocks import Clocks
from cinema.doctor.database_file import of_file
from cinema.doctor.finding import Finding, Kind
from cinema.settings import Settings

__all__ = ["of_database"]

_NAME: Final = "database"
_LEAST: Final = (13,)  # the change log is kept by transaction, which PostgreSQL 13 made lasting
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True)
class _Seen:
    version: tuple[int, ...]
    current: bool
    lacking: bool
    revision: str | None
    clock: float | None


async def of_database(settings: Settings, clocks: Clocks) -> Sequence[Finding]:
    """Return what is wrong with the database."""
    file = sqlite_file(settings)
    if file is not None:
        found = await asyncio.to_thread(of_file, settings, file)
        if found is not None:
            return found
    database = open_database(settings.database_url, 1)
    try:
        async with asyncio.timeout(SECONDS):
            seen = await database.read(_look)
    except TimeoutError:
        return [Finding(_NAME, "hung", f"it has not answered for {SECONDS:g} s (DATABASE_URL)", _HUNG)]
    except (DatabaseUnavailable, SQLAlchemyError, OSError) as error:
        return [_unreached(error, file, settings.database_url)]
    finally:
        await database.close()
    clocks.note(_NAME, seen.clock)
    return [*_of_version(seen, file), *_of_tables(seen)]


_HUNG: Final = "Look at its machine: a disk that is full or slow, a lock, or a network that swallows packets."


def _look(connection: Connection) -> _Seen:
    if connection.dialect.name == "sqlite":
        told: tuple[int, ...] = sqlite3.sqlite_version_info
        connection.execute(text("SELECT count(*) FROM sqlite_schema")).scalar_one()
        clock = None
    else:
        told = tuple(map(int, connection.dialect.server_version_info or ()))
        clock = float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())
    return _Seen(told, is_current(connection), lacks_tables(connection), revision(connection), clock)


def _of_version(seen: _Seen, file: Path | None) -> Iterator[Finding]:
    if file is None and seen.version and seen.version < _LEAST:
        said = f"PostgreSQL {'.'.join(map(str, seen.version))} is too old"
        yield Finding(_NAME, "version", said, "Move to PostgreSQL 13 or newer.")


def _of_tables(seen: _Seen) -> Iterator[Finding]:
    if seen.current and not seen.lacking:
        return
    if seen.revision and seen.revision > head():
        said = f"its tables are of a newer release ({seen.revision}; this one has {head()})"
        yield Finding(
            _NAME, "version", said, "Run the newer release of cinema, or restore a backup of before."
        )
        return
    at = (
        f"it stands at {seen.revision}, this release needs {head()}"
        if seen.revision
        else "it has none of ours"
    )
    if seen.current:
        said = f"tables are missing, and it stands at {seen.revision} all the same: somebody has dropped them"
        yield Finding(_NAME, "damaged", said, "Restore a backup into a new database: cinema restore DIR")
        return
    yield Finding(_NAME, "migrations", f"tables are missing: {at}", "Run: cinema migrate")


# By the class of PostgreSQL's errors (its manual, appendix A).
_STATES: Final[dict[str, tuple[Kind, str, str]]] = {
    "28": ("credentials", "it refuses this user or password", "Correct them in DATABASE_URL."),
    "3D": (
        "missing",
        "the server has no database of this name",
        "Create it, or correct the name in DATABASE_URL.",
    ),
    "53": (
        "ill",
        "it has no connection, memory or disk left",
        "Raise max_connections, or make DATABASE_POOL_SIZE smaller, which each process takes; look at its disk.",
    ),
}


def _unreached(error: BaseException, file: Path | None, url: str) -> Finding:
    """Say why it cannot be used, from the first cause that tells."""
    for cause in causes_of(error):
        known = _STATES.get(str(getattr(cause, "sqlstate", None) or "")[:2])
        if known is not None:
            return Finding(_NAME, *known)
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            said = f"{file} is damaged, or no database of SQLite"
            return Finding(_NAME, "damaged", said, "Move it away and restore a backup: cinema restore DIR")
        if isinstance(cause, TimeoutError):
            return Finding(_NAME, "hung", "it does not answer in time (DATABASE_URL)", _HUNG)
    if (
        any(map(is_no_postgres, causes_of(error))) and "sslmode" not in url
    ):  # who insists on TLS may be told no
        remedy = "End that program, or correct the address in DATABASE_URL."
        return Finding(_NAME, "port_taken", "what answers there is no PostgreSQL", remedy)
    said = str(fault_of(error, file)).removeprefix("DATABASE_URL: ")
    return Finding(_NAME, "down", said, "Start it, or correct the address in DATABASE_URL.")
