"""Folders that have to be written, and room on their disks."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cinema.checks import check_file, nearest, refusal, sqlite_file
from cinema.doctor.finding import Finding
from cinema.faults import FULL, Fault, of_disk
from cinema.settings import Settings

__all__ = ["of_places"]

_LEAST = 256 * 2**20  # bytes: a rebuild of the index writes a second one beside the first


def of_places(settings: Settings, least: int = _LEAST) -> Iterator[Finding]:
    """Yield what is wrong with the folders that the settings name; of each disk that is full one is told."""
    full: set[int] = set()
    for setting, folder in _folders(settings):
        number = _refusal(folder)
        if number and number not in FULL:
            yield _closed(setting, folder, number)
            continue
        there = nearest(folder)
        left, disk = shutil.disk_usage(there).free, there.stat().st_dev
        if (number or left < least) and disk not in full:
            full.add(disk)
            room = "no room for another file" if number else f"{left / 2**20:.0f} MB left"
            said = f"the disk of {folder} has {room} ({setting})"
            yield Finding("disk", "disk_full", said, "Make room, or name a folder on another disk.")
    yield from _of_state(settings.search_etl_state)


def _of_state(file: Path) -> Iterator[Finding]:
    """Yield what stands where the ETL's state has to be written; of its folder is told already."""
    if _refusal(file.parent):
        return
    try:
        check_file("SEARCH_ETL_STATE", file)
    except Fault as fault:
        said = str(fault).removeprefix("SEARCH_ETL_STATE: ")
        yield Finding("SEARCH_ETL_STATE", "setting", said, "Move it away, or name another file.")


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    file = sqlite_file(settings)
    if file is not None:
        yield "DATABASE_URL", file.parent
    if settings.search_url is None:
        yield "SEARCH_DIR", settings.search_dir
    yield "SEARCH_ETL_STATE", settings.search_etl_state.parent
    if settings.media_store == "local":
        yield "MEDIA_DIR", settings.media_dir


def _refusal(folder: Path) -> int:
    """Return what a start would find, else try it: a container's user may less than the mode of a folder tells."""
    number = refusal(folder)
    if number:
        return number
    probe = nearest(folder) / f".doctor-{os.getpid()}"
    try:
        probe.touch(exist_ok=True)
        probe.unlink()
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _closed(setting: str, folder: Path, number: int) -> Finding:
    said = str(of_disk(OSError(number, os.strerror(number)), setting, folder)).removeprefix(f"{setting}: ")
    if number == errno.EROFS:
        remedy = f"Mount it for writing, or name another folder in {setting}."
        return Finding(setting, "read_only", said, remedy)
    if number in {errno.EACCES, errno.EPERM}:
        remedy = f"Give it to that user: mkdir -p {folder} && chown -R {_user()} {folder}"
        return Finding(setting, "read_only", said, remedy)
    remedy = f"Name a folder in {setting}, or move away what is in its place."
    return Finding(setting, "setting", said, remedy)


def _user() -> str:
    return os.environ.get("USER") or str(os.geteuid())
