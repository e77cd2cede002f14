"""What PostgreSQL and SQLite say, and whether it means that they are away."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

from cinema.database.away import Meaning, meaning, sqlite_is_away

dbapi: Any = AsyncAdapt_asyncpg_dbapi(asyncpg)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("57P01", "lost"),  # terminating connection due to administrator command
        ("57P02", "lost"),  # ... because of crash of another server process
        ("57P03", "lost"),  # the database system is starting up
        ("57P05", "lost"),  # idle session timeout
        ("08003", "lost"),  # asyncpg: connection was closed in the middle of operation
        ("08006", "lost"),
        ("58030", "lost"),  # I/O error
        ("53300", "away"),  # too many clients already
        ("53100", "away"),  # disk full
        ("57014", "away"),  # canceling statement due to statement timeout
        ("25006", "away"),  # read-only: a standby after a switch
        ("40001", "away"),  # could not serialize access
        ("40P01", "away"),  # deadlock detected
        ("55P03", "away"),  # lock not available
        ("XX001", "away"),  # data corrupted
        ("XX002", "away"),  # index corrupted
        ("42601", "fault"),  # syntax error
        ("42P01", "fault"),  # no such table
        ("42501", "fault"),  # permission denied
        ("22P02", "fault"),  # invalid text representation
        ("23505", "fault"),  # unique violation
        ("57000", "fault"),
        ("XX000", "fault"),
    ],
)
def test_a_class_of_sqlstate_says_whether_the_database_is_away(code: str, expected: Meaning) -> None:
    """F3: asyncpg has one type of error for "starting up" and for a hundred faults of ours."""
    said = asyncpg.PostgresError.new({"C": code, "M": "said", "S": "FATAL"})

    assert meaning(dbapi.Error("said", said), closed=False) == expected


@pytest.mark.parametrize("error", [dbapi.InterfaceError("connection is closed"), ValueError("x"), OSError()])
def test_on_a_closed_connection_every_error_means_that(error: Exception) -> None:
    """F3: what an operation says then depends on where the end of the connection met it."""
    assert meaning(error, closed=True) == "lost"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AssertionError("insufficient data in buffer: requested 103 remaining 39"), "lost"),
        (BufferError("unexpected trailing 12 bytes in buffer"), "lost"),
        (SystemError("Negative size passed to PyUnicode_New"), "lost"),
        (ConnectionError("unexpected connection_lost() call"), "lost"),
        (dbapi.InternalClientError("the number of columns in the result row is different"), "lost"),
        (TimeoutError(), "away"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "fault"),
        (OverflowError("date value out of range"), "fault"),
        (TypeError("expected str, got int"), "fault"),
        (dbapi.InterfaceError("invalid input for query argument $1"), "fault"),
        (KeyboardInterrupt(), "fault"),
    ],
)
def test_garbage_on_the_wire_is_an_outage_a_value_that_cannot_be_read_is_not(
    error: BaseException, expected: Meaning
) -> None:
    """F3 and E2: the parser falls over the first; the second is stored like that, and asking again shows it again."""
    assert meaning(error, closed=False) == expected


def broken(path: Path) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught, closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT * FROM films")
    return caught.value


def test_a_file_that_is_no_database_is_away_a_missing_table_is_not(tmp_path: Path) -> None:
    """F3: while a backup is copied over the file nothing of ours is wrong; SQLite does not call that operational."""
    (tmp_path / "torn").write_bytes(b"no database at all" * 100)

    assert sqlite_is_away(broken(tmp_path / "torn"))
    assert sqlite_is_away(broken(tmp_path))  # a folder: cannot be opened
    assert not sqlite_is_away(broken(tmp_path / "empty"))
    assert not sqlite_is_away(ValueError())
