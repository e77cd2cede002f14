"""Read a foreign film set: one CSV or JSON Lines file a table, every cell checked before a row is written.

Columns may come in any order; unknown ones are ignored, missing ones take defaults, and `created_at` and
`updated_at` are read as `created` and `modified`. An empty cell is no value. The first fault stops everything, with
its file, line and column. If it is a type or role that cinema does not know, all others of these are named with it,
since whoever maps them wants to do it once.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cinema.data.cells import CHOICES, CellError, row_of
from cinema.data.records import SUFFIXES, RecordFault, Records, records_of
from cinema.data.rows import COLUMNS, Row, Value

__all__ = ["Foreign", "RecordFault", "read_folder"]

_MOST_NAMED = 50
_UNIQUE: Mapping[str, tuple[str, ...]] = {
    "genre": ("name",),
    "genre_film_work": ("film_work_id", "genre_id"),
    "person_film_work": ("film_work_id", "person_id", "role"),
}


@dataclass(slots=True)
class Table:
    """The checked rows of one file, and the line of each."""

    file: str
    rows: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Foreign:
    """A checked set, by table in the order in which tables may be filled."""

    tables: dict[str, Table]

    def rows(self, table: str) -> list[Row]:
        """Return the rows of a table; none if it has no file."""
        return self.tables[table].rows if table in self.tables else []

    def fault(self, table: str, place: int, column: str, wrong: str) -> RecordFault:
        """Return a fault of the row at a place."""
        return RecordFault(self.tables[table].file, self.tables[table].lines[place], column, wrong)


def read_folder(folder: Path, now: datetime) -> Foreign:
    """Return the set in a folder. A table without a file has no rows; `now` is what moments default to.

    Raises:
        Fault: there is nothing, a file cannot be read, a cell is wrong, or a row is there twice.

    """
    tables = {}
    for table in COLUMNS:
        path = _file_of(folder, table)
        if path is not None:
            try:
                tables[table] = _read(table, path.name, records_of(path), now)
            except RecordFault as fault:
                raise fault if fault.column not in CHOICES else _with_others(fault, folder) from None
    if not tables:
        files = ", ".join(f"{table}{SUFFIXES[0]}" for table in COLUMNS)
        raise RecordFault(str(folder), 0, "", f"must hold {files}, or the same with {SUFFIXES[1]}")
    return Foreign(tables)


def _file_of(folder: Path, table: str) -> Path | None:
    try:
        there = [path for suffix in SUFFIXES if (path := folder / f"{table}{suffix}").is_file()]
    except OSError as error:
        raise RecordFault(str(folder), 0, "", f"cannot be read: {error.strerror}") from None
    if len(there) > 1:
        raise RecordFault(there[1].name, 0, "", f"must not be there beside {there[0].name}")
    return there[0] if there else None


def _with_others(fault: RecordFault, folder: Path) -> RecordFault:
    """Return the fault with every other value behind it that stands for no type or role."""
    places = {(column, value): (file, line) for column, value, file, line in reversed([*_unknown(folder)])}
    others = [
        f"{column} {value} ({file}, line {line})"
        for (column, value), (file, line) in reversed(places.items())
        if (file, line, column) != (fault.file, fault.line, fault.column)
    ]
    if not others:
        return fault
    more = f" and {len(others) - _MOST_NAMED:,} others" if len(others) > _MOST_NAMED else ""
    named = ", ".join(others[:_MOST_NAMED])
    return RecordFault(fault.file, fault.line, fault.column, f"{fault.wrong}; unknown, too: {named}{more}")


def _unknown(folder: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield column, value, file and line of what stands for no type or role; files end at a fault of another kind."""
    for table, columns in COLUMNS.items():
        chosen = [column for column in columns if column in CHOICES]
        path = _file_of(folder, table) if chosen else None
        if path is None:
            continue
        with suppress(RecordFault):
            for line, cells in records_of(path):
                for column in chosen:
                    value = cells.get(column)
                    if value not in (None, "", *CHOICES[column]):
                        yield column, repr(str(value)[:60]), path.name, line


def _read(name: str, file: str, records: Records, now: datetime) -> Table:
    table = Table(file)
    uniques = [*([_UNIQUE[name]] if name in _UNIQUE else []), ("id",)]  # a link's id may be ours
    seen: list[dict[tuple[Value, ...], int]] = [{} for _ in uniques]
    places = [[COLUMNS[name].index(column) for column in unique] for unique in uniques]
    for line, cells in records:
        try:
            row = row_of(name, cells, now)
        except CellError as error:
            raise RecordFault(file, line, error.column, error.wrong) from None
        for unique, held, at in zip(uniques, seen, places, strict=True):
            before = held.setdefault(tuple(row[place] for place in at), line)
            if before != line:
                raise RecordFault(
                    file, line, unique[-1], f"must differ from line {before} in {', '.join(unique)}"
                )
        table.rows.append(row)
        table.lines.append(line)
    return table
