"""Tell a database that is away from a statement of ours that is wrong, by what its driver raises.

Theory. PostgreSQL says what is wrong by a class of five characters (its manual, appendix A), not by a type of error:
"the database system is starting up" is as plain a `PostgresError` as a misspelt column. A few classes mean that it is
away or too busy; in some of them the connection has gone too. What is no error of the protocol at all, such as an
assertion of the driver's parser, says that what came over the wire cannot be understood. A single value that cannot be
read is neither: the row is at fault, and stays so.
"""

import sqlite3
from typing import Literal, TypeAlias

__all__ = ["Meaning", "meaning", "sqlite_is_away"]

# lost: the connection has gone. away: it stands, and the database cannot serve now. fault: asking again will not help.
Meaning: TypeAlias = Literal["lost", "away", "fault"]

_FOREIGN = ""  # no error of the dialect's
# connection exception; shutdown by an operator, after a crash, or start under way; system error
_LOST = ("08", "57P", "58")
# read-only for now (a standby); rolled back for another's sake; no resources; a lock or a statement that took too long;
# a page or an index that is damaged
_AWAY = ("25006", "40", "53", "55P03", "57014", "XX001", "XX002")
# Prepared before somebody changed its table: SQLAlchemy forgets all that it has prepared, and another connection does.
_PREPARED = "InvalidCachedStatementError"
_UNREADABLE = (ValueError, ArithmeticError)  # a text that is no UTF-8, a date beyond ours
_OURS = (AttributeError, TypeError)  # an argument that cannot be sent
_SQLITE_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def meaning(error: BaseException, *, closed: bool) -> Meaning:
    """Return what an error of PostgreSQL's driver means; `closed` says that the driver has closed the connection."""
    if closed or type(error).__name__ == _PREPARED:
        return "lost"
    code: str | None = getattr(error, "sqlstate", _FOREIGN)
    if code == _FOREIGN:
        return _meaning_of_foreign(error)
    if code is None:
        return "lost" if type(error).__name__ == "InternalClientError" else "fault"
    if code.startswith(_LOST):
        return "lost"
    return "away" if code.startswith(_AWAY) else "fault"


def _meaning_of_foreign(error: BaseException) -> Meaning:
    if isinstance(error, TimeoutError):
        return "away"
    ours = isinstance(error, (*_UNREADABLE, *_OURS)) or not isinstance(error, Exception)
    return "fault" if ours else "lost"


def sqlite_is_away(error: BaseException | None) -> bool:
    """Tell whether an error of SQLite is an outage: busy, full, unreadable, no database (any more).

    Most of its errors are called operational; a wrong statement or a missing table is `SQLITE_ERROR`.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    if code & 0xFF in _SQLITE_BROKEN:
        return True
    return isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR
