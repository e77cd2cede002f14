"""What has to be right before a process starts, asked without changing anything; each raises `Fault`.

What may come right later, a database or a service that does not answer yet, is none of these.
"""

import errno
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from cinema.faults import Fault, of_disk, of_sqlite
from cinema.settings import Settings
from stagedoor._commands.listening import listening_fault
from stagedoor._door.descriptors import too_few

__all__ = [
    "check_database",
    "check_file",
    "check_folder",
    "check_index",
    "check_listening",
    "check_open_files",
    "nearest",
    "refusal",
    "sqlite_file",
]

_LEAST_ROOM = 2**20  # bytes
_SQLITE = "sqlite+aiosqlite:///"


def check_listening(host: str, port: int, host_setting: str, port_setting: str) -> None:
    """Raise `Fault` if nobody can listen there: 69 for a port that is taken, 78 for what is wrong."""
    fault = listening_fault(host, port)
    if fault is not None:
        name = host_setting if fault.at == "host" else port_setting
        raise Fault(f"{name}: {fault.line}", fault.code)


def check_open_files() -> None:
    """Raise `Fault` where the system lets a process open too few files to serve anybody."""
    line = too_few()
    if line is not None:
        raise Fault(line)


def check_folder(setting: str, folder: Path, shown: Path | None = None) -> None:
    """Raise `Fault` unless a folder can be written, or made: 73 for a place that is closed, 74 for a full disk."""
    number = refusal(folder)
    if number:
        raise of_disk(OSError(number, os.strerror(number)), setting, shown or folder)


def refusal(folder: Path) -> int:
    """Return the number of the system's error that writing into a folder would end with; 0 if it would not."""
    try:
        there = nearest(folder)
        disk = os.statvfs(there)
    except OSError as error:
        return error.errno or errno.EIO
    if not there.is_dir():
        return errno.ENOTDIR
    if disk.f_flag & os.ST_RDONLY:
        return errno.EROFS
    if not os.access(there, os.W_OK | os.X_OK):
        return errno.EACCES
    if not disk.f_blocks:  # no disk, but a view of the system's own
        return errno.EROFS
    full = disk.f_bavail * disk.f_frsize < _LEAST_ROOM or (disk.f_files and not disk.f_favail)
    return errno.ENOSPC if full else 0


def check_file(setting: str, file: Path) -> None:
    """Raise `Fault` unless a file can be written or made; one that is there may be replaced."""
    check_folder(setting, file.parent, file)
    try:
        kind = _kind_of(file)
    except OSError as error:  # too long a name, a link to itself or to nowhere
        raise of_disk(error, setting, file) from error
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise Fault(f"{setting}: {str(file)!r} must be a file, not a pipe, socket or device", os.EX_CANTCREAT)
    closed = file.exists() and not os.access(file, os.R_OK | os.W_OK)
    number = errno.EISDIR if stat.S_ISDIR(kind) else errno.EACCES if closed else 0
    if number:
        raise of_disk(OSError(number, os.strerror(number)), setting, file)


def _kind_of(file: Path) -> int:
    """Return the mode of a file, that of a new one where it is still to be made; raises `OSError` if it cannot be."""
    try:
        file.lstat()
    except FileNotFoundError:
        return stat.S_IFREG
    try:
        return file.stat().st_mode
    except FileNotFoundError:  # a link to where it is to be made: on another disk, say
        if file.readlink().parent.is_dir():
            return stat.S_IFREG
        raise


def check_index(settings: Settings) -> None:
    """Raise `Fault` unless the index and its state can be written."""
    check_file("SEARCH_ETL_STATE", settings.search_etl_state)
    if settings.search_url is None:
        check_folder("SEARCH_DIR", settings.search_dir)


def check_database(settings: Settings) -> None:
    """Raise `Fault` if the database is a file that cannot be used: closed (73), on a full disk (74), damaged (78)."""
    file = sqlite_file(settings)
    if file is None:
        return
    check_file("DATABASE_URL", file)
    if not file.exists() or not file.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        fault = of_sqlite(error, file)
        if fault is not None:
            raise fault from error


def sqlite_file(settings: Settings) -> Path | None:
    """Return the file that is the database; None if it is a server."""
    url = settings.database_url
    return Path(unquote(url.removeprefix(_SQLITE))) if url.startswith(_SQLITE) else None


def nearest(folder: Path) -> Path:
    """Return a folder, or the nearest above it that is there; raises `OSError` for a link that leads nowhere."""
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    place.stat()
    return place
