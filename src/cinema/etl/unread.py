"""Rows that cannot be read: told from those that can, cell by cell, inside the database and behind it.

Theory. Rows are read by the page, so that one cell which no JSON can carry, or whose octets are no UTF-8, fails the
whole statement. Then the page is read once more in a form that nothing can spoil: of each cell what kind of value it is
and its octets as hexadecimal digits. SQLite keeps any value in any column; PostgreSQL keeps any octets in a database
whose encoding is SQL_ASCII. An id that is no text is told as SQLite writes it: x'00FF41', or NULL.
"""

import re
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Double, Text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

__all__ = [
    "NULL",
    "ODD",
    "Unread",
    "UnreadableCell",
    "cell",
    "is_spoilt",
    "key_in",
    "key_of",
    "moment_in",
    "octets",
    "octets_of",
    "value_in",
]

NULL: Final = "NULL"  # an id that is none, as it is told
ODD: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # raised for values of other kinds
_SPOILT: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG})
_LABEL: Final = re.compile("x'((?:[0-9A-F]{2})*)'")
# Octets of a SQL_ASCII database have no encoding: they are handed over as they are.
_PLAIN: Final = "(CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)::name"


class Unread(NamedTuple):
    """What stands in the place of a document, or of a link in documents, whose row cannot be read."""

    of: str  # an index, or the table of links
    id: str
    reason: str


class UnreadableCell(ValueError):
    """Tell why a cell cannot be read."""


def is_spoilt(error: Exception) -> bool:
    """Tell whether a statement may have failed for what is in a row; else it is an outage, or a fault of ours.

    A page of rows, or a row, may also be more than fits one value of the database.
    """
    if not isinstance(error, DBAPIError):
        return isinstance(error, ODD)
    if isinstance(error.orig, sqlite3.Error):
        # Octets that are no UTF-8 are noticed by Python, which gives no code.
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) in _SPOILT
    return not (error.connection_invalidated or isinstance(error, OperationalError | InterfaceError))


# --- in the database ----------------------------------------------------------------------------------------


class text_cell(FunctionElement[str]):  # noqa: N801 - reads as what it is, a function of SQL
    """A cell that text stands in: its kind (`t`ext, `b`lob, `n`umber) and octets; NULL of NULL."""

    inherit_cache = True
    type = Text()
    name = "text_cell"


class number_cell(FunctionElement[str]):  # noqa: N801 - the same
    """A cell that a number stands in."""

    inherit_cache = True
    type = Text()
    name = "number_cell"


class octets(FunctionElement[str]):  # noqa: N801 - the same
    """The octets of a cell, as hexadecimal digits."""

    inherit_cache = True
    type = Text()
    name = "octets"


def cell(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a column in the form that nothing can spoil."""
    return number_cell(column) if isinstance(column.type, Double) else text_cell(column)


@compiles(text_cell, "sqlite")
@compiles(number_cell, "sqlite")
def _sqlite_cell(element: FunctionElement[str], compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    it = compiler.process(element.clauses, **kw)
    return (
        f"(CASE typeof({it}) WHEN 'null' THEN NULL WHEN 'text' THEN 't' || hex({it}) WHEN 'blob' THEN 'b' || hex({it}) "
        f"WHEN 'integer' THEN 'n' || {it} ELSE 'n' || printf('%!.17g', {it}) END)"
    )


@compiles(octets, "sqlite")
def _sqlite_octets(element: FunctionElement[str], compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    return f"hex({compiler.process(element.clauses, **kw)})"


@compiles(text_cell, "postgresql")
def _postgresql_text(element: FunctionElement[str], compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    return f"('t' || {_postgresql_octets(element, compiler, **kw)})"


@compiles(number_cell, "postgresql")
def _postgresql_number(element: FunctionElement[str], compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    return f"('n' || ({compiler.process(element.clauses, **kw)})::text)"


@compiles(octets, "postgresql")
def _postgresql_octets(element: FunctionElement[str], compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    return f"upper(encode(convert_to(({compiler.process(element.clauses, **kw)})::text, {_PLAIN}), 'hex'))"


# --- behind it ----------------------------------------------------------------------------------------------


def value_in(told: str | None, column: Column[Any]) -> str | float | None:
    """Return the value of a cell; raises `UnreadableCell`."""
    if told is None:
        return None
    kind, value = told[0], told[1:]
    number = isinstance(column.type, Double)
    if kind == "b":
        raise UnreadableCell(f"{column.name}: a BLOB where {'a number' if number else 'text'} stands")
    if number:
        return float(value) if kind == "n" else None
    if kind == "n":
        return value
    try:
        return bytes.fromhex(value).decode()
    except UnicodeDecodeError:
        raise UnreadableCell(f"{column.name}: octets that are no UTF-8") from None


def key_in(told: str | None) -> str:
    """Return the id in a cell, as it is told."""
    if told is None:
        return NULL
    octets = told[1:].encode() if told[0] == "n" else bytes.fromhex(told[1:])
    try:
        return key_of(octets if told[0] == "b" else octets.decode())
    except UnicodeDecodeError:
        return key_of(octets)


def key_of(value: object) -> str:
    """Return an id as it is told, whatever it is."""
    if value is None:
        return NULL
    return f"x'{value.hex().upper()}'" if isinstance(value, bytes) else str(value)


def octets_of(keys: Iterable[str]) -> list[str]:
    """Return the octets of those ids that are no text."""
    return [found[1] for key in keys if (found := _LABEL.fullmatch(key))]


def moment_in(told: str | None) -> datetime | None:
    """Return the moment in a cell; None if it holds none."""
    try:
        found = datetime.fromisoformat(bytes.fromhex((told or "")[1:]).decode())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except ODD:
        return None
