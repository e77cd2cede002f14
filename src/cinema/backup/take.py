"""Take a backup while others write.

Theory. No transaction spans a database and an object store. Pictures never change under their name, so they may be
copied after the tables, which are of one moment. Where one has gone by then, its meme has changed or gone too: that
meme alone is read again, as it is now, and its new picture copied; memes depend on nothing, so that one of them may be
of a later moment than the rest. A picture that is missing twice, of a meme that has not changed, is missing in the
source itself, which is told.
"""

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cinema import __version__
from cinema.backup.manifest import BackupManifest, BackupRefused, digest_of, write_manifest
from cinema.backup.pictures import fetched
from cinema.backup.rows import TABLES, amend, export, file_of, memes_now, pictures_in
from cinema.checks import sqlite_file
from cinema.database import DatabaseUnavailable, open_database
from cinema.database.migrate import head, is_current, validate_not_newer
from cinema.services.media.store import objects_of
from cinema.settings import Settings

__all__ = ["take"]

_PARTS: Final = ("tables", "pictures")
_SNAPSHOT: Final = ".snapshot.db"


async def take(settings: Settings, folder: Path) -> BackupManifest:
    """Fill an empty folder; return what is in it.

    Raises:
        BackupRefused: the folder holds something, or the database has not the tables of this release.
        Fault: the tables are of a newer release, or the folder's disk is full.
        DatabaseUnavailable, Outage: the database or the store does not answer.

    """
    if await asyncio.to_thread(_is_filled, folder):
        raise BackupRefused(f"{folder}: not empty; a backup wants a folder of its own", os.EX_CANTCREAT)
    await asyncio.to_thread(_make, folder)
    try:
        return await _filled(settings, folder)
    except BaseException:
        for name in _PARTS:  # what was begun is no backup, and would stand in the way of the next one
            shutil.rmtree(folder / name, ignore_errors=True)
        raise


async def _filled(settings: Settings, folder: Path) -> BackupManifest:
    rows, missing = await _copied(settings, folder)
    wanted = set(await asyncio.to_thread(pictures_in, folder)) - set(missing)
    await asyncio.to_thread(_keep_only, folder / "pictures", wanted)
    names = [*map(file_of, TABLES), *(f"pictures/{name}" for name in sorted(wanted))]
    files = await asyncio.to_thread(lambda: {name: digest_of(folder / name) for name in names})
    now = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = BackupManifest(__version__, head(), now, rows, files, sorted(missing.values()))
    await asyncio.to_thread(write_manifest, folder, manifest)
    return manifest


async def _copied(settings: Settings, folder: Path) -> tuple[Mapping[str, int], Mapping[str, str]]:
    """Return how many rows there are, and the memes by pictures that the source does not have."""
    rows = await _tables(settings, folder)
    store, lost = objects_of(settings), dict[str, str]()
    named = await asyncio.to_thread(pictures_in, folder)
    gone = {name: named[name] for name in await fetched(store, named, folder / "pictures")}
    changes: dict[str, Mapping[str, Any] | None] = {}
    database = open_database(settings.database_url, 1)
    try:
        while gone:
            now = await database.read(partial(memes_now, ids=[*gone.values()]))
            later = {row["image_name"]: key for key, row in now.items()}
            missing = await fetched(store, later, folder / "pictures")
            lost |= {name: key for name, key in later.items() if name in missing & gone.keys()}
            changes |= {key: now.get(key) for key in gone.values()}
            gone = {name: key for name, key in later.items() if name in missing - gone.keys()}
    finally:
        await database.close()
    count = await asyncio.to_thread(amend, folder, changes) if changes else rows["meme"]
    return {**rows, "meme": count}, lost


async def _tables(settings: Settings, folder: Path) -> Mapping[str, int]:
    """Write the tables as they are at one moment."""
    file = sqlite_file(settings)
    if file is None:
        return await _exported(settings.database_url, folder, write=True)
    snapshot = folder / "tables" / _SNAPSHOT
    try:
        await asyncio.to_thread(_copy, file, snapshot)
        return await _exported(f"sqlite+aiosqlite:///{quote(str(snapshot))}", folder, write=False)
    finally:
        await asyncio.to_thread(_remove_snapshot, snapshot.parent)


def _copy(source: Path, target: Path) -> None:
    """Copy a file of SQLite as of one moment, by its own means: who writes meanwhile is not held up."""
    if not source.exists():
        raise BackupRefused(f"DATABASE_URL: there is no file {source}")
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:  # only the copy is written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error
        raise DatabaseUnavailable(str(error)) from error


def _remove_snapshot(folder: Path) -> None:
    for file in folder.glob(f"{_SNAPSHOT}*"):
        file.unlink()


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _PARTS:  # what people are called, and where they live, is for this user alone
        (folder / name).mkdir(mode=0o700)


def _is_filled(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _keep_only(folder: Path, names: Collection[str]) -> None:
    for file in folder.iterdir():
        if file.name not in names:
            file.unlink()


async def _exported(url: str, folder: Path, *, write: bool) -> Mapping[str, int]:
    database = open_database(url, 1)
    try:
        await database.read(validate_not_newer)
        if not await database.read(is_current):
            raise BackupRefused("DATABASE_URL: the tables are not of this release; cinema migrate")
        # A transaction, where a moment is one of the server's; it changes nothing.
        return await (database.write if write else database.read)(partial(export, folder=folder))
    finally:
        await database.close()
