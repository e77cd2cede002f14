"""What is done in order before anything starts: migrate, seed, and build the first index."""

import asyncio
from functools import partial
from time import monotonic

from cinema.checks import sqlite_file
from cinema.settings import Settings
from cinema.stack.child import command, environment
from cinema.stack.terminal import say

__all__ = ["build_index", "has_index", "prepare"]


async def prepare(settings: Settings) -> None:
    """Bring the database to where the platform can start; documents alone need none.

    Raises:
        Fault: it cannot be used.

    """
    if settings.docs_only:
        return
    # Imported here: these bring the database layer along, which the checks before do not need.
    from cinema.data.sowing import sow_films  # noqa: PLC0415
    from cinema.database import open_database  # noqa: PLC0415
    from cinema.database.faults import reached  # noqa: PLC0415
    from cinema.database.migrate import migrate  # noqa: PLC0415
    from cinema.seed import sow  # noqa: PLC0415

    database = open_database(settings.database_url, 1)
    try:
        with reached(sqlite_file(settings)):
            if await database.write(migrate):
                say("database migrated")
            if await database.write(sow):
                say("demo data seeded")
            if films := await database.write(partial(sow_films, films=settings.films)):
                say(f"{films:,} films seeded")
    finally:
        await database.close()


async def has_index(settings: Settings) -> bool:
    """Tell whether the embedded engine finds what it asks for: an index of another release's format is none."""
    if not settings.search_etl_state.exists():
        return False
    from cinema.indices import INDICES  # noqa: PLC0415 - only where the engine is in use
    from stagedoor.search import WriterError  # noqa: PLC0415 - the same
    from stagedoor.search.tantivy import TantivyWriter  # noqa: PLC0415 - the same

    writer = TantivyWriter(settings.search_dir, INDICES)
    try:
        found = [await writer.current(index.name) for index in INDICES]
    except WriterError:
        return False
    finally:
        await writer.aclose()
    return None not in found


async def build_index(settings: Settings, stopping: asyncio.Event) -> bool:
    """Build the embedded index in sight, where there is none that can be read; else leave it to the ETL.

    A remote engine may be away for long, and need not keep the rest from starting. Return whether to go on.
    """
    if settings.search_url is not None or settings.docs_only or await has_index(settings):
        return True
    began = monotonic()
    process = await asyncio.create_subprocess_exec(
        *command("etl"), stdin=asyncio.subprocess.DEVNULL, env=environment(), start_new_session=True
    )
    ended = asyncio.create_task(process.wait())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        process.terminate()
    stopped.cancel()
    code = await ended
    if stopping.is_set():
        return False
    if code != 0:
        say("the search index was not built; the lines above say why")
        return False
    say(f"search index built in {monotonic() - began:.1f} s")
    return True
