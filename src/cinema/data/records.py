"""Read records from CSV and JSON Lines files, each with the line it begins on."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

__all__ = ["SUFFIXES", "Cells", "RecordFault", "Records", "records_of"]

Cells: TypeAlias = Mapping[str, Any]
Records: TypeAlias = Iterator[tuple[int, Cells]]

SUFFIXES = (".csv", ".jsonl", ".ndjson")


class RecordFault(ValueError):
    """Tell where a foreign set is wrong, and what would be right."""

    def __init__(self, file: str, line: int, column: str, wrong: str) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.wrong = wrong
        where = [file, f"line {line}" if line else "", f"column {column}" if column else ""]
        super().__init__(f"{', '.join(part for part in where if part)}: {wrong}")


def records_of(path: Path) -> Records:
    """Yield the records of a file; raises `RecordFault`."""
    try:
        yield from _csv(path) if path.suffix == ".csv" else _json(path)
    except UnicodeDecodeError:
        raise RecordFault(path.name, _first_line_not_text(path), "", "must be UTF-8") from None
    except OSError as error:
        raise RecordFault(path.name, 0, "", f"cannot be read: {error.strerror}") from None


def _first_line_not_text(path: Path) -> int:
    """Return the line; files are decoded many lines at a time, so that the error does not know it."""
    with path.open("rb") as file:
        for line, content in enumerate(file, 1):
            try:
                content.decode()
            except UnicodeDecodeError:
                return line
    return 0


def _csv(path: Path) -> Records:
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = _header(path, next(reader, []))
            line = reader.line_num + 1
            for cells in reader:
                if cells:
                    yield line, _record(path, line, header, cells)
                line = reader.line_num + 1
    except csv.Error as error:
        raise RecordFault(path.name, line, "", f"must be CSV: {error}") from None


def _header(path: Path, cells: Sequence[str]) -> Sequence[str]:
    names = [name.strip() for name in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RecordFault(path.name, 1, twice, "must be there once")
    return names


def _record(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> Cells:
    if len(cells) != len(header):
        raise RecordFault(path.name, line, "", f"must have {len(header)} cells, not {len(cells)}")
    return {name: cell or None for name, cell in zip(header, cells, strict=True)}


def _json(path: Path) -> Records:
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                # Without its end: what is missing there is missing in this line, not in column 1 of the next.
                record = json.loads(text.rstrip(), parse_constant=_no_number)
            except json.JSONDecodeError as error:
                raise RecordFault(path.name, line, str(error.colno), f"must be JSON: {error.msg}") from None
            except (ValueError, RecursionError) as error:
                raise RecordFault(path.name, line, "", f"must be JSON: {error}") from None
            if not isinstance(record, dict):
                raise RecordFault(path.name, line, "", "must be an object")
            yield line, record


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
