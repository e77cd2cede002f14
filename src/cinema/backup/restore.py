"""Put a backup back, here or elsewhere, into either kind of database and store.

The pictures come first: without memes they do no harm, and `cinema sweep` finds them. The tables follow in one
transaction, all or nothing, one restore at a time. The index is not in a backup: the ETL sees that everything may have
changed, and builds it.
"""

import asyncio
import os
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from cinema.backup.manifest import BackupManifest, BackupRefused, read_manifest
from cinema.backup.pictures import put_all
from cinema.backup.rows import TABLES, file_of, holds_data, put_back
from cinema.checks import check_database
from cinema.database import open_database
from cinema.database.migrate import head, migrate, take_turn
from cinema.services.media.names import is_name
from cinema.services.media.store import objects_of
from cinema.settings import Settings

__all__ = ["restore"]


async def restore(settings: Settings, folder: Path, *, overwrite: bool = False) -> BackupManifest:
    """Put everything back; return what it was.

    Raises:
        BackupRefused: it is no backup or damaged, of a newer release, or there is data that it would replace.
        Fault: the file of the database cannot be used.
        DatabaseUnavailable, Outage: the database or the store does not answer.

    """
    manifest = read_manifest(folder)
    if manifest.revision > head():
        raise BackupRefused(f"{folder}: of a newer release ({manifest.version}); restore it with that one")
    lacking = [name for name in map(file_of, TABLES) if name not in manifest.files]
    if lacking and manifest.revision == head():
        raise BackupRefused(f"{folder}: it has no {lacking[0]}; it was not finished, or somebody has cut it")
    pictures = [Path(name).name for name in manifest.files if name.startswith("pictures/")]
    if not all(map(is_name, pictures)):  # what somebody has written into it reaches no store
        raise BackupRefused(f"{folder}: it names pictures that are none of ours")
    await asyncio.to_thread(check_database, settings)
    database = open_database(settings.database_url, 1)
    try:
        await database.write(partial(_prepare, overwrite=overwrite))
        await put_all(objects_of(settings), pictures, folder / "pictures")
        await database.write(partial(_put_back, folder=folder, overwrite=overwrite))
    finally:
        await database.close()
    return manifest


def _prepare(connection: Connection, *, overwrite: bool) -> None:
    migrate(connection)
    _refuse_data(connection, overwrite=overwrite)


def _put_back(connection: Connection, folder: Path, *, overwrite: bool) -> None:
    take_turn(connection)
    _refuse_data(connection, overwrite=overwrite)  # once more: the pictures have taken their time
    put_back(connection, folder)


def _refuse_data(connection: Connection, *, overwrite: bool) -> None:
    full = holds_data(connection)
    if full and not overwrite:
        line = f"DATABASE_URL: there is data in {', '.join(full)}; --overwrite replaces all of it"
        raise BackupRefused(line, os.EX_CANTCREAT)
