"""Hang the demo memes, in the background, where nothing hangs yet.

How many there are by now stands in `meme_key`, written with each meme in one transaction. So a process that dies in
the middle goes on where it was, and what somebody has removed does not come back.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from cinema.database import Database, DatabaseUnavailable
from cinema.database.tables import meme_key
from cinema.services.memes import changes, queries
from cinema.services.memes.changes import NameTaken
from cinema.services.memes.media import Media
from cinema.services.memes.spool import Spool
from stagedoor._clock import Clock
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import UpstreamError

__all__ = ["SAMPLE", "sow_memes"]

SAMPLE: Final = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"  # the id that the documents show
_LOGGER: Final = logging.getLogger("cinema.memes")
_SEED: Final = "cinema memes"
_ROUTE: Final = "demo"
_EPOCH: Final = datetime(2026, 1, 5, 10, tzinfo=UTC)
_FAR: Final = datetime(9999, 1, 1, tzinfo=UTC)
_MARK: Final = (meme_key.c.key == _ROUTE) & (meme_key.c.route == _ROUTE) & (meme_key.c.subject == "")
_PAUSE: Final = 1.0
_BREATH: Final = 0.02  # between two, for who has come for something else


async def sow_memes(
    database: Database, media: Media, clock: Clock, wanted: int, stopping: asyncio.Event
) -> None:
    """Bring the wall to so many demo memes, unless it has begun otherwise; wait for what does not answer yet.

    It is stopped between two, not cancelled: a driver that is cancelled while it connects leaves a socket open.
    """
    while wanted and not stopping.is_set():
        with suppress(DatabaseUnavailable, UpstreamError, NameTaken):
            done = await database.read(_done)
            if done is None or done >= wanted:
                return
            await _hang(database, media, done)
            await clock.sleep(_BREATH)
            continue
        await clock.sleep(_PAUSE)


def _done(connection: Connection) -> int | None:
    """Return how many hang; None where memes came from elsewhere first."""
    found = connection.execute(select(meme_key.c.status).where(_MARK)).scalar()
    if found is None:
        return 0 if queries.is_empty(connection) else None
    return int(found)


async def _hang(database: Database, media: Media, number: int) -> None:
    saying, picture = await asyncio.to_thread(_made, number)
    spool = Spool()
    try:
        await spool.write(picture)
        name = await media.upload(spool)
    except RequestRefused:
        _LOGGER.warning("the media service takes no demo picture")
        raise UpstreamError("media.upload", "takes no demo picture") from None
    finally:
        await spool.close()
    row = {
        "id": SAMPLE
        if number == 0
        else str(UUID(int=Random(f"{_SEED} id {number}").getrandbits(128), version=4)),  # noqa: S311
        "title": saying.title,
        "description": saying.description,
        "image_name": name,
        "created_at": _EPOCH + timedelta(minutes=37 * number),
    }
    await database.write(partial(_write, row=row, number=number))


def _made(number: int) -> tuple[Any, bytes]:
    # Imported here: Pillow is needed at the first start only.
    from cinema.services.memes.demo.drawing import draw  # noqa: PLC0415
    from cinema.services.memes.demo.words import saying_of  # noqa: PLC0415

    rng = Random(f"{_SEED} {number}")  # noqa: S311 - the same pictures everywhere
    saying = saying_of(number, rng)
    return saying, draw(saying, rng)


def _write(connection: Connection, row: dict[str, Any], number: int) -> None:
    changes.create(connection, row)
    connection.execute(delete(meme_key).where(_MARK))
    mark = {
        "key": _ROUTE,
        "route": _ROUTE,
        "subject": "",
        "fingerprint": "",
        "answer": "",
        "expires_at": _FAR,
    }
    connection.execute(insert(meme_key).values({**mark, "status": number + 1}))
