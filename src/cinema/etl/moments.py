"""What is asked of a foreign source: moments of any spelling, and sums that tell whether rows are what they were.

Theory. A moment is milliseconds since 1970, or null where a value is none: SQLite keeps whatever text or number was put
there, so text is read as ISO 8601 with any offset and any fraction, in UTC if it has none, and a number as seconds, or
as the smaller unit that its size says. Eight digits are a day and fourteen a second of it, if they spell one: read as a
number they would lie in 1970 or in another millennium, and SQLite makes a number of such text in some columns.
PostgreSQL's own types need no reading; what is text there is no moment.
A sum is made of a digest of each row, so that the order of rows does not count, and for each of 4,096 groups of ids, so
that a change is found among few. SQLite has no digests, and borrows ours.
"""

import hashlib
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    func,
    inspect,
    literal,
    literal_column,
    null,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from cinema.etl.unread import key_of as told

__all__ = [
    "Sums",
    "are_sums",
    "counts",
    "digest",
    "group_of",
    "key_of",
    "keys_in",
    "milliseconds",
    "moment_of",
    "now_in",
    "snapshot",
    "sums",
    "sums_by",
]

Sums: TypeAlias = Mapping[str, int]  # by group; JSON
_GROUPS: Final = 4_096
_NAMES: Final = frozenset(map(str, range(_GROUPS)))
_DIGEST: Final = (1 << 40) - 1  # sums of eight million rows fit an integer of SQLite
_UNITS: Final = (
    (1e11, 1e3),
    (1e14, 1.0),
    (1e17, 1e-3),
    (1e20, 1e-6),
)  # up to which a number counts in which unit
_DIGITS: Final = re.compile(r"((?:19|20|21)[0-9]{6})([0-9]{6})?")
_AT: Final = "CAST(round((julianday({}) - 2440587.5) * 86400000) AS INTEGER)"


class group_of(FunctionElement[int]):  # noqa: N801 - reads as what it is, a function of SQL
    """The group an id belongs to."""

    inherit_cache = True
    type = Integer()
    name = "group_of"


class digest(FunctionElement[int]):  # noqa: N801 - the same
    """A number that is another one where any of these columns is."""

    inherit_cache = True
    type = BigInteger()
    name = "digest"


class _Written(FunctionElement[int]):
    """What was written into a column of SQLite, as a moment."""

    inherit_cache = True
    type = BigInteger()
    name = "written"


@compiles(group_of, "sqlite")
def _group_here(element: group_of, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    return f"cinema_group({_octets(element, compiler, **kw)})"


@compiles(group_of, "postgresql")
def _group_there(element: group_of, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    return f"(hashtext(coalesce(({compiler.process(element.clauses, **kw)})::text, '')) & {_GROUPS - 1})"


@compiles(digest, "sqlite")
def _digest_here(element: digest, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    return f"cinema_digest({_octets(element, compiler, **kw)})"


@compiles(digest, "postgresql")
def _digest_there(element: digest, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    columns = compiler.process(element.clauses, **kw)
    return f"(hashtextextended(json_build_array({columns})::text, 0) & {_DIGEST})"


@compiles(_Written, "sqlite")
def _written_here(element: _Written, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    value = compiler.process(element.clauses, **kw)
    date = "GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"  # what SQLite reads itself, and fast
    return (
        f"CASE WHEN typeof({value}) = 'text' AND {value} {date} AND julianday({value}) IS NOT NULL "
        f"THEN {_AT.format(value)} ELSE cinema_moment(typeof({value}), CAST({value} AS BLOB)) END"
    )


def _octets(element: FunctionElement[int], compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - the same
    # Text that is no UTF-8 cannot be handed to Python as text.
    return ", ".join(f"CAST({compiler.process(column, **kw)} AS BLOB)" for column in element.clauses)


def lend(connection: Connection) -> None:
    """Give SQLite the functions that it lacks."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.create_function("cinema_group", 1, _group, deterministic=True)
        driver.create_function("cinema_digest", -1, _digest, deterministic=True)
        driver.create_function("cinema_moment", 2, milliseconds, deterministic=True)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Let all statements inside the block see the source as it was at the first of them."""
    here = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("BEGIN" if here else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    except BaseException:
        with suppress(SQLAlchemyError):  # what has happened before tells more
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("ROLLBACK")


def now_in(connection: Connection) -> int:
    """Return the source's own now."""
    here = connection.dialect.name == "sqlite"
    now = _AT.format("'now'") if here else "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    return int(connection.execute(select(literal_column(now))).scalar_one())


def moment_of(connection: Connection, table: Table) -> ColumnElement[int]:
    """Return the moment of a row's last change; null where the table has none."""
    here = connection.dialect.name == "sqlite"
    found = inspect(connection).get_columns(table.name, schema=None if here else table.schema)
    kinds = {column["name"]: column["type"] for column in found}
    kind = kinds.get("modified")
    if kind is None:
        return _no_moment()
    if here:
        return _Written(table.c.modified)
    name = f"{table.schema}.{table.name}.modified"
    if isinstance(kind, DateTime | Date):
        return _typed(f"CASE WHEN isfinite({name}) THEN floor(extract(epoch FROM {name}) * 1000)::bigint END")
    if isinstance(kind, Integer | Numeric):
        number = f"{name}::numeric"  # the least of its own kind has no abs()
        units = " ".join(
            f"WHEN abs({number}) < {most} THEN floor({number} * {unit})" for most, unit in _UNITS
        )
        return _typed(f"(CASE {units} END)::bigint")
    return _no_moment()


def _typed(sql: str) -> ColumnElement[int]:
    return literal_column(sql, BigInteger())


def _no_moment() -> ColumnElement[int]:
    return null().cast(BigInteger())


def key_of(connection: Connection, column: ColumnElement[str]) -> ColumnElement[Any]:
    """Return an id as what can always be read: text, and octets on SQLite."""
    return column.cast(LargeBinary() if connection.dialect.name == "sqlite" else Text())


def key_as(connection: Connection, key: str) -> ColumnElement[Any]:
    """Return an id to compare `key_of` with."""
    here = connection.dialect.name == "sqlite"
    return literal(key.encode(), LargeBinary()) if here else literal(key, Text())


def key_read(key: str | bytes | None) -> str:
    """Return an id that `key_of` has read, as it is told (`unread`)."""
    try:
        return key.decode() if isinstance(key, bytes) else told(key)
    except UnicodeDecodeError:
        return told(key)


def sums(
    connection: Connection, key: ColumnElement[str], content: ColumnElement[int], *where: ColumnElement[bool]
) -> Sums:
    """Return the sums of the rows that meet a condition, by the groups of an id in them."""
    group = group_of(key)
    found = connection.execute(select(group, func.sum(content)).where(*where).group_by(group))
    return {str(number): int(total) for number, total in found}


def sums_by(connection: Connection, key: ColumnElement[str], *columns: ColumnElement[Any]) -> Sums:
    """Return the sums of all rows of a table by the groups of an id that many rows have in common."""
    if connection.dialect.name != "sqlite":
        return sums(connection, key, digest(key, *columns))
    # Most of the time goes into what SQLite borrows: rows are put together before they are handed over.
    row: ColumnElement[str] = literal("", Text())
    for column in columns:
        row = row.concat(func.coalesce(column, "")).concat(" ")
    gathered = select(key.label("key"), func.group_concat(row).label("rows")).group_by(key).subquery()
    return sums(connection, gathered.c.key, digest(gathered.c.key, gathered.c.rows))


def are_sums(found: object) -> bool:
    """Tell whether something is numbers by groups."""
    return isinstance(found, dict) and all(
        str(group) in _NAMES and type(number) is int for group, number in found.items()
    )


def counts(connection: Connection, table: Table) -> Sums:
    """Return how many rows there are, by group."""
    group = group_of(table.c.id)
    return {
        str(number): count
        for number, count in connection.execute(select(group, func.count()).group_by(group))
    }


def keys_in(connection: Connection, table: Table, groups: set[str]) -> list[str]:
    """Return the ids of some groups."""
    if not groups:
        return []
    those = group_of(table.c.id).in_([int(group) for group in groups])
    return [
        key_read(key)
        for key in connection.execute(select(key_of(connection, table.c.id)).where(those)).scalars()
    ]


def milliseconds(kind: str, value: bytes | None) -> int | None:
    """Return what a value of SQLite says as a moment, if it says one; its type is a name of `typeof`."""
    if value is None or kind == "blob":
        return None
    try:
        text = value.decode().strip()
        spelled = None if kind == "real" else _DIGITS.fullmatch(text)
        if spelled is not None:
            with suppress(ValueError):  # no day of the calendar, and so a number
                return _of_text("T".join(filter(None, spelled.groups())))
        number = text if kind != "text" else text.removeprefix("-").replace(".", "", 1)
        return _of_number(float(text)) if kind != "text" or number.isdecimal() else _of_text(text)
    except (ValueError, OverflowError):
        return None


def _of_text(text: str) -> int:
    read = datetime.fromisoformat(text)
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)


def _of_number(number: float) -> int | None:
    factor = next((unit for most, unit in _UNITS if abs(number) < most), None)
    return None if factor is None else math.floor(number * factor)


def _group(key: bytes | None) -> int:
    return zlib.crc32(key or b"") % _GROUPS


def _digest(*columns: bytes | None) -> int:
    octets = b"".join(b"-" if column is None else b"%d:%b" % (len(column), column) for column in columns)
    return int.from_bytes(hashlib.blake2b(octets, digest_size=5).digest())
