"""What is told of a database that cannot be used."""

import errno
import socket
import sqlite3
import ssl

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cinema.database import DatabaseUnavailable
from cinema.database.causes import why


def of_postgres(state: str) -> Exception:
    """Return what a driver raises for a state."""
    error = Exception("secret.internal says no")
    error.sqlstate = state  # type: ignore[attr-defined]
    return error


def of_sqlite(code: int) -> Exception:
    """Return what SQLAlchemy makes of an error of SQLite."""
    error = sqlite3.OperationalError("secret file")
    error.sqlite_errorcode = code
    return OperationalError("SELECT 1", None, error)


@pytest.mark.parametrize(
    ("cause", "reason", "told"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "10.0.0.1"), "unavailable", "refused the connection"),
        (socket.gaierror(-2, "secret.internal"), "unavailable", "its name cannot be resolved"),
        (TimeoutError(), "timeout", "timeout"),
        (PoolTimeout(), "unavailable", "no connection of ours came free in time"),
        (
            ConnectionError("rejected SSL upgrade"),
            "unavailable",
            "it is no PostgreSQL, or speaks no TLS, which sslmode demands",
        ),
        (ssl.SSLError("x"), "unavailable", "the TLS handshake failed"),
        (of_postgres("53300"), "unavailable", "has too many connections"),
        (of_postgres("53100"), "unavailable", "its disk is full"),
        (of_postgres("28P01"), "unavailable", "refuses this user or password"),
        (of_postgres("3D000"), "unavailable", "has no database of this name"),
        (of_postgres("25006"), "unavailable", "can only be read"),
        (of_postgres("40001"), "unavailable", "undid a change that met another one"),
        (of_postgres("40P01"), "unavailable", "undid a change that met another one"),
        (of_postgres("55P03"), "unavailable", "a lock was not free in time"),
        (of_postgres("XX001"), "unavailable", "its data is damaged"),
        (of_postgres("57P03"), "unavailable", "is starting up or shutting down"),
        (of_postgres("57P01"), "unavailable", "was shut down"),
        (of_postgres("57014"), "timeout", "timeout"),
        (of_sqlite(sqlite3.SQLITE_FULL), "unavailable", "its disk is full"),
        (of_sqlite(sqlite3.SQLITE_NOTADB), "unavailable", "its file is damaged, or no database"),
        (of_sqlite(sqlite3.SQLITE_BUSY), "unavailable", "another process holds its file locked"),
        (of_sqlite(sqlite3.SQLITE_READONLY | 1 << 8), "unavailable", "its file can only be read"),
        (AssertionError("secret"), "garbled", "what it says cannot be understood (AssertionError)"),
    ],
)
def test_f6_the_log_says_why_a_database_cannot_be_used(cause: Exception, reason: str, told: str) -> None:
    """F6: in words, by the first cause that has any; T15: no host, user or file is in them."""
    error = DatabaseUnavailable("x")
    error.__cause__ = cause

    assert why(error) == (reason, told)
