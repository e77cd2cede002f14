"""Why a command of the platform ends: one line, and an exit code of sysexits.h that says what kind of thing is wrong.

78 a setting or a file, 64 the command line, 69 what is taken or does not answer now, 73 a place that cannot be written,
74 a disk that fails or is full, 1 work that was begun and could not be ended.
"""

import errno
import os
import sqlite3
from pathlib import Path

__all__ = ["FULL", "Fault", "of_disk", "of_sqlite"]

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_MANY = frozenset({errno.EMFILE, errno.ENFILE})
_CLOSED = {
    errno.EROFS: "lies on a disk that can only be read",
    errno.EACCES: "may not be written by this user",
    errno.EPERM: "may not be written by this user",
    errno.ENOTDIR: "has a file where a folder must be",
    errno.EEXIST: "has a file where a folder must be",
    errno.EISDIR: "is a folder, and must be a file",
    errno.ENOENT: "cannot be made",
    errno.ENAMETOOLONG: "has too long a name",
    errno.ELOOP: "is a link to itself",
}

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_SHUT = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class Fault(Exception):
    """Tell in one line which setting or file is wrong, and what would be right."""

    def __init__(self, line: str, code: int = os.EX_CONFIG) -> None:
        super().__init__(line)
        self.code = code


def of_disk(error: OSError, setting: str, place: object) -> Fault:
    """Return what an error of the system means for the file or folder that a setting names."""
    if error.errno in FULL:
        return Fault(f"{setting}: the disk that {str(place)!r} lies on is full", os.EX_IOERR)
    if error.errno in _MANY:
        return Fault("ulimit -n: this process may open no further file; 65536 is a good limit")
    known = _CLOSED.get(error.errno or 0)
    if known is None:
        return Fault(f"{setting}: {str(place)!r} cannot be used ({error.strerror or error})", os.EX_IOERR)
    return Fault(f"{setting}: {str(place)!r} {known}", os.EX_CANTCREAT)


def of_sqlite(error: BaseException | None, file: Path | None = None) -> Fault | None:
    """Return what an error of SQLite means for its file; None for what is no fault of the file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = "the database's file" if file is None else repr(str(file))
    if code in _DAMAGED:
        return Fault(f"DATABASE_URL: {name} is damaged, or no database; restore it, or move it away")
    if code in _SHUT:
        return Fault(f"DATABASE_URL: {name} cannot be opened and written by this user", os.EX_CANTCREAT)
    if code in _NO_ROOM:
        return Fault(f"DATABASE_URL: the disk that {name} lies on is full, or fails", os.EX_IOERR)
    if code in _LOCKED:
        return Fault(f"DATABASE_URL: another process holds {name} locked", os.EX_UNAVAILABLE)
    return None
