"""Gather rows inside the database into one JSON text, written alike for SQLite and PostgreSQL."""

from typing import Any

import orjson
from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["rows_as_json", "rows_in"]


class rows_as_json(FunctionElement[str]):  # noqa: N801 - reads as what it is, a function of SQL
    """All rows as a JSON array of arrays; of no rows, an empty one. May be a column of another."""

    inherit_cache = True
    type = Text()
    name = "rows_as_json"


@compiles(rows_as_json, "sqlite")
def _sqlite(element: rows_as_json, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    return f"json_group_array(json_array({compiler.process(element.clauses, **kw)}))"


@compiles(rows_as_json, "postgresql")
def _postgresql(element: rows_as_json, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    return f"coalesce(json_agg(json_build_array({compiler.process(element.clauses, **kw)})), '[]')"


def rows_in(gathered: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Return the rows of a gathered text.

    Rows inside rows are lists already, or text once more where a version of SQLite has forgotten that it was JSON.
    """
    rows: list[Any] = orjson.loads(gathered) if isinstance(gathered, str) else gathered
    return rows
