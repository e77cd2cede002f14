"""Why a database cannot be used, in the words of logs and health: what an operator looks for next, no address (T15)."""

import sqlite3
from typing import Final

from sqlalchemy.exc import TimeoutError as PoolTimeout

from stagedoor._reaching import kept_by
from stagedoor.errors import Reason

__all__ = ["causes_of", "is_no_postgres", "why"]

# By the class and code of PostgreSQL's errors (its manual, appendix A); the longer one first.
_STATES: Final = {
    "53300": "has too many connections",
    "53100": "its disk is full",
    "53200": "is out of memory",
    "57P03": "is starting up or shutting down",
    "57014": "not answering in time",
    "25006": "can only be read",
    "40": "undid a change that met another one",
    "55P03": "a lock was not free in time",
    "42501": "does not let this user do that",
    "28": "refuses this user or password",
    "3D": "has no database of this name",
    "57P": "was shut down",
    "58": "its disk fails",
    "XX00": "its data is damaged",
    "0A000": "its tables were changed meanwhile",
    "08": "closed the connection",
}
_SQLITE: Final = {
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is damaged, or no database",
    sqlite3.SQLITE_CANTOPEN: "its file is not there, or cannot be opened by this user",
    sqlite3.SQLITE_PERM: "its file cannot be opened by this user",
    sqlite3.SQLITE_READONLY: "its file can only be read",
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_IOERR: "its disk is full, or fails",
    sqlite3.SQLITE_BUSY: "another process holds its file locked",
    sqlite3.SQLITE_LOCKED: "another process holds its file locked",
}
_LATE: Final = "not answering in time"


def causes_of(error: BaseException) -> list[BaseException]:
    """Return an error and all that it came of, the nearest first."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = getattr(one, "orig", None) or one.__cause__ or one.__context__
    return found


def is_no_postgres(error: BaseException) -> bool:
    """Tell whether a server was asked for TLS and said neither yes nor no; or no, where sslmode demands it."""
    return isinstance(error, ConnectionError) and "rejected SSL" in str(error)


def why(error: BaseException) -> tuple[Reason, str]:
    """Return of which kind the trouble is, and what it is in words."""
    causes = causes_of(error)
    told = next(filter(None, map(_told, causes)), "")
    if told:
        return ("timeout", "timeout") if told == _LATE else ("unavailable", told)
    return "garbled", f"what it says cannot be understood ({type(causes[-1]).__name__})"


def _told(error: BaseException) -> str:
    if isinstance(error, PoolTimeout):
        return "no connection of ours came free in time"
    if is_no_postgres(error):
        return "it is no PostgreSQL, or speaks no TLS, which sslmode demands"
    if isinstance(error, OSError):
        return kept_by(error)
    code = str(getattr(error, "sqlstate", None) or "")
    state = next((words for start, words in _STATES.items() if code.startswith(start)), "")
    file = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
    ended = "closed the connection" if type(error).__name__ == "ConnectionDoesNotExistError" else ""
    return state or file or ended
