"""Tables as files: one JSON object a line, the same whichever database they came from.

Left out is the log of changes with what belongs to it: its positions mean something in their own database only. A
database that was restored says in its log that everything may have changed, and whoever follows it begins anew.
"""

import gzip
import json
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Date, Exists, Table, delete, exists, insert, literal, select
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, StatementError

from cinema.backup.manifest import BackupRefused
from cinema.data.rows import COLUMNS, Rows
from cinema.database.bulk import fill, quiet
from cinema.database.columns import Instant
from cinema.database.records import records
from cinema.database.tables import change_log, change_log_mark, change_log_pruned, meme, metadata
from cinema.etl.dirty import chunks
from cinema.faults import of_disk

__all__ = ["TABLES", "amend", "export", "file_of", "holds_data", "memes_now", "pictures_in", "put_back"]

_OWN: Final = frozenset({change_log.name, change_log_mark.name, change_log_pruned.name})
TABLES: Final[Sequence[Table]] = [one for one in metadata.sorted_tables if one.name not in _OWN]
_PORTION: Final = 2_000
_NO_TEXT: Final = "Could not decode"  # how Python's driver of SQLite says it, with the octets behind it
_UNREADABLE: Final = (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, AttributeError)


def file_of(table: Table) -> str:
    """Return the name of a table's file in a backup."""
    return f"tables/{table.name}.jsonl.gz"


def export(connection: Connection, folder: Path) -> Mapping[str, int]:
    """Write every table as it is at one moment; return how many rows each has. Raises `Fault`."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return {table.name: _write(connection, table, folder / file_of(table)) for table in TABLES}


def _write(connection: Connection, table: Table, file: Path) -> int:
    names = [*table.columns.keys()]
    statement = select(table).order_by(*table.primary_key)
    try:
        result = connection.execution_options(yield_per=_PORTION).execute(statement)
        return _pack(file, (dict(zip(names, row, strict=True)) for row in result))
    except (ValueError, OverflowError, OperationalError) as error:
        if isinstance(error, OperationalError) and _NO_TEXT not in str(error.orig):
            raise
        # Another program has written it; it is not shown.
        line = f"table {table.name} holds a date or a text that cannot be read"
        raise BackupRefused(f"DATABASE_URL: {line}", os.EX_DATAERR) from None


def _pack(file: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows, and return how many; the same rows make the same file. Raises `Fault` for its disk."""
    count = 0
    try:
        # Without a moment in its head.
        with file.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) as packed:
            for count, row in enumerate(rows, 1):  # noqa: B007 - the last one is the answer
                packed.write(json.dumps(row, default=str, ensure_ascii=False).encode() + b"\n")
    except OSError as error:  # not the database's, which would be taken for away
        raise of_disk(error, "DIR", file) from error
    return count


def memes_now(connection: Connection, ids: Collection[str]) -> Mapping[str, dict[str, Any]]:
    """Return the memes that there are of these, as they are now."""
    found: dict[str, dict[str, Any]] = {}
    for part in chunks(ids, _PORTION):  # PostgreSQL takes 32,767 values in a statement
        rows = records(connection, select(meme).where(meme.c.id.in_(part)))
        found |= {row["id"]: row for row in rows}
    return found


def amend(folder: Path, changes: Mapping[str, Mapping[str, Any] | None]) -> int:
    """Replace memes of a backup by later ones, or leave them out; return how many there are now."""
    file = folder / file_of(meme)
    rows = [changes.get(row["id"], row) for row in _read(file)]
    return _pack(file, [row for row in rows if row is not None])


def pictures_in(folder: Path) -> Mapping[str, str]:
    """Return the memes of a backup by the name of their picture."""
    return {row["image_name"]: row["id"] for row in _read(folder / file_of(meme))}


def _read(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        yield from map(json.loads, opened)


def holds_data(connection: Connection) -> Sequence[str]:
    """Return the tables that have rows."""
    return [table.name for table in TABLES if connection.execute(select(_any_of(table))).scalar()]


def _any_of(table: Table) -> Exists:
    return exists(select(literal(1)).select_from(table))


def put_back(connection: Connection, folder: Path) -> None:
    """Replace what the tables hold by what a backup holds, in the caller's transaction; raises `BackupRefused`."""
    with quiet(connection):
        for table in reversed(TABLES):
            connection.execute(delete(table))
        for table in TABLES:
            file = folder / file_of(table)
            if file.exists():  # an older release had fewer tables
                _fill(connection, table, file)


def _fill(connection: Connection, table: Table, file: Path) -> None:
    """Put the rows of a file into its table; raises `BackupRefused`, without any of them in its line."""
    try:
        for portion in _portions(table, file):
            _insert(connection, table, portion)
    except (OperationalError, InterfaceError, InternalError):  # the database's own trouble
        raise
    except (*_UNREADABLE, StatementError) as error:
        line = f"{file}: holds what table {table.name} cannot take ({type(error).__name__})"
        raise BackupRefused(line) from None


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    columns = COLUMNS.get(table.name)
    if columns is None:
        connection.execute(insert(table), rows)
    else:
        fill(connection, [Rows(table.name, [tuple(row[name] for name in columns) for row in rows])])


def _portions(table: Table, file: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a file as the table takes them, a portion at a time."""
    moments = [column.name for column in table.columns if isinstance(column.type, Instant)]
    days = [column.name for column in table.columns if isinstance(column.type, Date)]
    portion: list[dict[str, Any]] = []
    for row in _read(file):
        for name in moments:
            row[name] = row[name] and datetime.fromisoformat(row[name])
        for name in days:
            row[name] = row[name] and date.fromisoformat(row[name])
        portion.append(row)
        if len(portion) == _PORTION:
            yield portion
            portion = []
    if portion:
        yield portion
