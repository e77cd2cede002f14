"""Read rows as plain dictionaries, ready to be encoded."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Executable

__all__ = ["records"]


def records(
    connection: Connection, statement: Executable, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Run a statement and return its rows, keyed by column."""
    result = connection.execute(statement, values)
    # SQLAlchemy's names are a subclass of str, which orjson refuses as keys.
    names = [str(name) for name in result.keys()]  # noqa: SIM118 - not a mapping
    return [dict(zip(names, row, strict=True)) for row in result]
