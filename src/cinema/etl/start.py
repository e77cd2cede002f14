"""Fill the index from the command line: what has to be right first, and what is said of a database without films."""

import asyncio
import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from cinema.checks import check_database, check_index, sqlite_file
from cinema.database import open_database
from cinema.database.faults import of_refusal, reached
from cinema.database.migrate import contents
from cinema.etl.run import run
from cinema.faults import Fault, of_disk
from cinema.settings import Settings
from stagedoor.search import WriterError

__all__ = ["filled"]

_LACKS = {
    "empty": "this database is empty: cinema migrate makes its tables, and cinema seed fills them",
    "another": "this is another database: it has tables, and not those of films; see which one is meant",
    "older": "this database lacks tables of this release; cinema migrate",
    "whole": "the films of this database cannot be read as cinema's; its columns are others",
}


def filled(settings: Settings, *, watch: bool, anew: bool) -> None:
    """Run one pass, or one after the other until a signal.

    Raises:
        Fault: what is needed can never be right, or the database has no films.

    """
    check_index(settings)
    check_database(settings)
    file = sqlite_file(settings)
    if file is not None:  # a server may have to be waited for, and says later what it is
        _check_film_file(settings, file)
    try:
        run(settings, watch=watch, anew=anew)
    except WriterError as error:
        raise Fault(f"SEARCH_DIR, SEARCH_URL: {error}") from error
    except SQLAlchemyError as error:
        with reached(file):
            found = asyncio.run(_contents(settings))
        raise of_refusal(error, file) or Fault(f"DATABASE_URL: {_LACKS[found]}") from error
    except OSError as error:
        raise of_disk(error, "SEARCH_ETL_STATE, SEARCH_DIR", error.filename or os.curdir) from error


def _check_film_file(settings: Settings, file: Path) -> None:
    if not file.exists():
        raise Fault(
            f"DATABASE_URL: there is no file {str(file)!r}; cinema migrate makes it, and cinema seed fills it"
        )
    found = asyncio.run(_contents(settings))
    if found in {"empty", "another"}:
        raise Fault(f"DATABASE_URL: {_LACKS[found]}")


async def _contents(settings: Settings) -> str:
    database = open_database(settings.database_url, 1)
    try:
        return await database.read(contents)
    finally:
        await database.close()
