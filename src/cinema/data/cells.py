"""Make a row of a record: each cell checked and in the form of its column."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final
from uuid import UUID

from cinema.data.films import ROLES
from cinema.data.records import Cells
from cinema.data.rows import COLUMNS, Row, Value, named_id

__all__ = ["CHOICES", "CellError", "row_of"]

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"type": ("movie", "tv_show"), "role": ROLES}
_SURROGATE: Final = re.compile("[\\ud800-\\udfff]")  # JSON can spell half a character; no database takes it


class CellError(ValueError):
    """Tell which column of a record is wrong, and what would be right."""

    def __init__(self, column: str, wrong: str) -> None:
        super().__init__(column, wrong)
        self.column = column
        self.wrong = wrong


def row_of(table: str, cells: Cells, now: datetime) -> Row:
    """Return the row of a record, in the order of `COLUMNS`; raises `CellError`."""
    row: dict[str, Value] = {}
    for column in COLUMNS[table]:
        if column == "id" and "film_work_id" in COLUMNS[table] and cells.get("id") is None:
            continue  # links need no id: theirs is made of their ends
        row[column] = _cell(column, cells, row.get("created", now) if column == "modified" else now)
    if "id" not in row:
        row = {"id": named_id(" ".join(str(row[column]) for column in row if column != "created")), **row}
    return tuple(row[column] for column in COLUMNS[table])


def _cell(column: str, cells: Cells, now: Value) -> Value:
    also = _ALSO.get(column, column)
    value = cells.get(column)
    if value is None and also in cells:
        column, value = also, cells[also]
    if value is None or value == "":
        if column in _REQUIRED:
            raise CellError(column, "must not be empty" if column in cells else "must be there")
        return {"type": "movie", "created": now, "modified": now}.get(_NAMES.get(column, column))
    try:
        return _PARSERS[_NAMES.get(column, column)](value)
    except (ValueError, TypeError, OverflowError) as error:
        wrong = str(error) if str(error).startswith("must") else "must be a value of this column"
        raise CellError(column, f"{wrong}, not {str(value)[:60]!r}") from None


def _uuid(value: Any) -> Value:  # noqa: ANN401 - a cell of JSON may be anything
    text = _text(value)
    try:
        key = str(UUID(text))
    except ValueError:
        key = ""
    if key != text.lower():
        raise ValueError("must be a UUID with hyphens")
    return key


def _text(value: Any) -> str:  # noqa: ANN401 - the same
    if not isinstance(value, str):
        raise TypeError("must be text")
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    if not value.isascii() and _SURROGATE.search(value):
        raise ValueError("must be Unicode text, without halves of surrogate pairs")
    return value


def _number(value: Any) -> Value:  # noqa: ANN401 - the same
    wrong = ValueError("must be a number from 0 to 10")
    try:
        number = (
            float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
        )
    except (ValueError, OverflowError):
        raise wrong from None
    if not (isfinite(number) and 0 <= number <= 10) or "_" in str(value):  # Python reads 1_0 as 10
        raise wrong
    return number


def _date(value: Any) -> Value:  # noqa: ANN401 - the same
    try:
        return datetime.fromisoformat(_text(value)).date()  # a date, or a moment of that day
    except ValueError:
        raise ValueError("must be a date such as 1999-03-31") from None


def _moment(value: Any) -> Value:  # noqa: ANN401 - the same
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        raise ValueError("must be a moment such as 2021-06-16T20:14:09+00:00") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _one_of(*names: str) -> Callable[[Any], Value]:
    def parse(value: Any) -> Value:  # noqa: ANN401 - the same
        if value not in names:
            raise ValueError(f"must be {' or '.join(names)}")
        return str(value)

    return parse


_ALSO: Final[Mapping[str, str]] = {"created": "created_at", "modified": "updated_at"}
_NAMES: Final[Mapping[str, str]] = {also: name for name, also in _ALSO.items()}
_REQUIRED: Final = {"id", "genre_id", "person_id", "film_work_id", "title", "name", "full_name", "role"}
_PARSERS: Final[Mapping[str, Callable[[Any], Value]]] = {
    "id": _uuid,
    "genre_id": _uuid,
    "person_id": _uuid,
    "film_work_id": _uuid,
    "title": _text,
    "name": _text,
    "full_name": _text,
    "description": _text,
    "certificate": _text,
    "file_path": _text,
    "creation_date": _date,
    "rating": _number,
    **{column: _one_of(*names) for column, names in CHOICES.items()},
    "created": _moment,
    "modified": _moment,
}
