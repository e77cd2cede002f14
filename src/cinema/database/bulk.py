"""Fill the catalogue's tables with many rows at once, in the caller's transaction.

The triggers that log each change are quiet meanwhile: in place of millions of rows the log gets one, of the entity
`source`, which sends whoever follows it back to the beginning (see revision 0002). PostgreSQL takes the rows by COPY,
and looks at them at the end: else the first pages of 200,000 films take the ETL half a minute and more. On SQLite the
indexes that are not needed to keep rows apart are dropped and built at the end, which is what most of the time would
otherwise go to.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache, partial
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert

from cinema.data.rows import COLUMNS, Row, Rows, Value
from cinema.database.columns import instant_text
from cinema.database.engine import refusals_of_driver
from cinema.database.tables import SCHEMA, change_log, metadata

__all__ = ["fill", "quiet"]

_CACHE_KIB = 262_144


@contextmanager
def quiet(connection: Connection) -> Iterator[None]:
    """Keep the log of changes still inside the block, and say in it that everything may have changed.

    To be left by an error only together with the transaction.
    """
    if connection.dialect.name == "sqlite":
        restore = _put_aside(connection)
        yield
        for statement in restore:
            connection.exec_driver_sql(statement)
    else:
        connection.exec_driver_sql("SET LOCAL cinema.bulk = 'on'")
        yield
        connection.exec_driver_sql("SET LOCAL cinema.bulk = 'off'")
        # PostgreSQL looks by itself a minute later; until then it would plan as if there were a few rows.
        tables = ", ".join(map(connection.dialect.identifier_preparer.format_table, metadata.sorted_tables))
        connection.exec_driver_sql(f"ANALYZE {tables}")
    reload = {"entity": "source", "entity_id": uuid4().hex, "op": "reload", "changed_at": _now(connection)}
    connection.execute(insert(change_log), reload)


def fill(connection: Connection, portions: Iterable[Rows]) -> int:
    """Insert the rows, which must be new; return how many films they held."""
    put = _insert if connection.dialect.name == "sqlite" else _copy
    films = 0
    for table, rows in portions:
        put(connection, table, rows)
        films += len(rows) if table == "film_work" else 0
    return films


def _now(connection: Connection) -> datetime:
    text = connection.exec_driver_sql("SELECT CURRENT_TIMESTAMP").scalar_one()
    return datetime.fromisoformat(f"{text}+00:00") if isinstance(text, str) else text


def _put_aside(connection: Connection) -> list[str]:
    """Drop what slows a load down, and return what creates it again."""
    connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")
    tables = ", ".join(f"'{table}'" for table in COLUMNS)
    found = connection.exec_driver_sql(
        "SELECT type, name, sql FROM sqlite_master "  # noqa: S608 - our own names
        f"WHERE type IN ('trigger', 'index') AND sql IS NOT NULL AND tbl_name IN ({tables})"
    ).all()
    for kind, name, _ in found:
        connection.exec_driver_sql(f'DROP {kind} "{name}"')
    return [sql for _, _, sql in found]


def _insert(connection: Connection, table: str, rows: list[Row]) -> None:
    if rows:
        columns = COLUMNS[table]
        places = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our own names
        connection.exec_driver_sql(statement, _plain(columns, rows))


def _plain(columns: tuple[str, ...], rows: list[Row]) -> list[Row]:
    """Write dates and moments as text: the last one or two columns, and one of films."""
    said = cache(_text)  # one set has few different moments, most often one
    if columns[-2:] != ("created", "modified"):
        return [(*row[:-1], said(row[-1])) for row in rows]
    if "creation_date" not in columns:
        return [(*row[:-2], said(row[-2]), said(row[-1])) for row in rows]
    return [tuple(map(said, row)) for row in rows]


def _text(value: Value) -> Value:
    if isinstance(value, datetime):
        return instant_text(value)
    return value.isoformat() if isinstance(value, date) else value


def _copy(connection: Connection, table: str, rows: list[Row]) -> None:
    copy: Callable[[Any], Any] = partial(_copied, table=table, rows=rows)
    with refusals_of_driver(connection, f"COPY {table}"):
        connection.connection.dbapi_connection.run_async(copy)  # type: ignore[union-attr]


async def _copied(driver: Any, table: str, rows: list[Row]) -> None:  # noqa: ANN401 - asyncpg's connection
    await driver.copy_records_to_table(table, records=rows, columns=COLUMNS[table], schema_name=SCHEMA)
