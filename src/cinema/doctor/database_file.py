"""Look at the file that is the database: whether it is there, one of ours to write, and whole."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Final

from cinema.checks import check_database, refusal
from cinema.doctor.asking import SECONDS
from cinema.doctor.finding import Finding, Kind
from cinema.faults import FULL, Fault
from cinema.settings import Settings

__all__ = ["of_file"]

_NAME: Final = "database"
_LARGEST: Final = 2**26  # bytes: what is larger is not read whole for a look
_STEPS: Final = 10_000  # of SQLite's machine, between two looks at the clock
_BACKUP: Final = "Move it away and restore a backup: cinema restore DIR"
_DISK: Final[tuple[Kind, str]] = ("ill", "Look at its disk.")
_KINDS: Final[dict[int, tuple[Kind, str]]] = {
    os.EX_CANTCREAT: (
        "read_only",
        "Let DATABASE_URL name a file that this user may write; move away what is there.",
    ),
    os.EX_UNAVAILABLE: ("hung", "Look who has it open (lsof), and end that."),
    os.EX_CONFIG: ("damaged", _BACKUP),
}


def of_file(settings: Settings, file: Path) -> Sequence[Finding] | None:
    """Return what is wrong with the file; None if one may ask what is in it."""
    number = refusal(file.parent)
    if number:  # of which the places' own finding tells; a full disk can be read
        return None if number in FULL else []
    try:
        check_database(settings)
    except Fault as fault:
        kind, remedy = _KINDS.get(fault.code, _DISK)
        return [Finding(_NAME, kind, str(fault).removeprefix("DATABASE_URL: "), remedy)]
    if not file.exists():
        said = f"there is no file {file} (DATABASE_URL)"
        return [Finding(_NAME, "missing", said, "Make it: cinema migrate, then cinema seed.")]
    if _is_spoilt(file):
        return [Finding(_NAME, "damaged", f"{file} is damaged: a part of it cannot be read", _BACKUP)]
    return None


def _is_spoilt(file: Path) -> bool:
    """Tell whether a page of a small file is no page; no, where that takes too long to find out."""
    if file.stat().st_size > _LARGEST:
        return False
    until = monotonic() + SECONDS
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.set_progress_handler(lambda: monotonic() > until, _STEPS)
            found: tuple[str] = connection.execute("PRAGMA quick_check(1)").fetchone()
            return found != ("ok",)
    except sqlite3.Error as error:
        return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
