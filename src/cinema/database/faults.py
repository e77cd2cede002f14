"""What an operator is told of a database that cannot be used: in one line, without its address (promise T15)."""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from cinema.database.causes import causes_of, is_no_postgres
from cinema.database.engine import DatabaseUnavailable
from cinema.faults import Fault, of_disk, of_sqlite

__all__ = ["of_database", "of_refusal", "reached"]

# By the class and code of PostgreSQL's errors (its manual, appendix A).
_STATES = {
    "28": "the database refuses this user or password",
    "3D": "the server has no database of this name; create it first",
    "42501": "this user may not do that in the database; grant it CREATE, and its tables",
}


@contextmanager
def reached(file: Path | None) -> Iterator[None]:
    """Turn whatever keeps a database from being used into a `Fault`; `file` is SQLite's."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise of_database(error, file) from error
    except DBAPIError as error:
        known = of_refusal(error, file)
        if known is None:
            raise
        raise known from error
    except OSError as error:  # its folder
        raise of_disk(error, "DATABASE_URL", error.filename or file) from error


def of_database(error: BaseException, file: Path | None = None) -> Fault:
    """Return what keeps a database from being used, from the first cause that says so; `file` is SQLite's."""
    causes = causes_of(error)
    kind = type(causes[-1] if len(causes) == 1 else causes[1]).__name__
    return of_refusal(error, file) or Fault(
        f"DATABASE_URL: the database does not answer ({kind})", os.EX_UNAVAILABLE
    )


def of_refusal(error: BaseException, file: Path | None = None) -> Fault | None:
    """Return what a database that answers has against its user; None for a fault of the statement."""
    return next(filter(None, (_told(one, file) for one in causes_of(error))), None)


def _told(error: BaseException, file: Path | None) -> Fault | None:
    if isinstance(error, socket.gaierror):
        return Fault("DATABASE_URL: its host cannot be resolved", os.EX_UNAVAILABLE)
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", "") or error.reason or type(error).__name__
        return Fault(f"DATABASE_URL: TLS fails ({reason}); see sslmode and sslrootcert")
    if is_no_postgres(error):
        return Fault("DATABASE_URL: the server speaks no TLS, which its sslmode demands, or is no PostgreSQL")
    state = str(getattr(error, "sqlstate", None) or "")
    known = _STATES.get(state) or _STATES.get(state[:2])
    return of_sqlite(error, file) if known is None else Fault(f"DATABASE_URL: {known}")
