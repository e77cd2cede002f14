"""Folders that have to be written, and room on their disks."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cinema.checks import sqlite_file
from cinema.doctor.finding import Finding
from cinema.settings import Settings

__all__ = ["of_places"]

_LEAST = 256 * 2**20  # bytes: a rebuild of the index writes a second one beside the first


def of_places(settings: Settings, least: int = _LEAST) -> Iterator[Finding]:
    """Yield what is wrong with the folders that the settings name; of each disk that is full one is told."""
    full: set[int] = set()
    for setting, folder in _folders(settings):
        found = _closed(setting, folder)
        if found is not None:
            yield found
            continue
        there = _nearest(folder)
        left, disk = shutil.disk_usage(there).free, there.stat().st_dev
        if left < least and disk not in full:
            full.add(disk)
            said = f"the disk of {folder} has {left / 2**20:.0f} MB left ({setting})"
            yield Finding("disk", "disk_full", said, "Make room, or name a folder on another disk.")


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    file = sqlite_file(settings)
    if file is not None:
        yield "DATABASE_URL", file.parent
    if settings.search_url is None:
        yield "SEARCH_DIR", settings.search_dir
    yield "SEARCH_ETL_STATE", settings.search_etl_state.parent
    if settings.media_store == "local":
        yield "MEDIA_DIR", settings.media_dir


def _closed(setting: str, folder: Path) -> Finding | None:
    there = _nearest(folder)
    if not there.is_dir():
        said = f"{there} is a file, and {folder} must be a folder"
        return Finding(setting, "setting", said, f"Name a folder in {setting}, or move the file away.")
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        said = f"{folder} lies on a disk that is mounted read-only"
        return Finding(
            setting, "read_only", said, f"Mount it for writing, or name another folder in {setting}."
        )
    if not os.access(there, os.W_OK | os.X_OK) or not _may_write(there):
        said = f"{folder} cannot be written by this user ({_user()})"
        return Finding(setting, "read_only", said, f"Give it to that user: chown -R {_user()} {there}")
    return None


def _may_write(folder: Path) -> bool:
    """Try it: what a user may do in a container is not all told by the mode of a folder."""
    probe = folder / f".doctor-{os.getpid()}"
    try:
        probe.touch(exist_ok=True)
        probe.unlink()
    except OSError as error:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}  # which is told by what is left
    return True


def _nearest(folder: Path) -> Path:
    """Return a folder, or the nearest above it that is there."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return place


def _user() -> str:
    return os.environ.get("USER") or str(os.geteuid())
