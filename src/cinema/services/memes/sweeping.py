"""`cinema sweep`: remove the pictures that no meme has, and say which they were.

Where the meme service runs, it does the work: it knows the token by which `cinema up` lets it in to the media service.
Else this process does it, with the token of its own settings.
"""

import http.client
import json
from collections.abc import Sequence
from random import Random

from cinema.database import open_database
from cinema.services.memes.cleanup import Cleanup
from cinema.services.memes.media import Media
from cinema.settings import Settings, host_of, port_of
from stagedoor._call import Env
from stagedoor._clock import SystemClock

__all__ = ["SweepFailed", "swept"]

_SECONDS = 600.0


class SweepFailed(Exception):
    """The meme service was asked, and could not; its text says why."""


async def swept(settings: Settings, older_than: float) -> Sequence[str]:
    """Return the names of what was removed.

    Raises:
        SweepFailed, DatabaseUnavailable, UpstreamError: who should have said what belongs to whom does not answer.

    """
    try:
        return _asked(settings.gateway_memes_url, older_than)
    except ConnectionRefusedError:
        return await _done_here(settings, older_than)


def _asked(url: str, older_than: float) -> Sequence[str]:
    connection = http.client.HTTPConnection(host_of(url), port_of(url), timeout=_SECONDS)
    try:
        connection.request("POST", f"/sweep?older_than={older_than:g}")
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (http.client.HTTPException, ValueError) as error:
        raise SweepFailed("what listens there is no meme service") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise SweepFailed(str(said.get("detail", answer.status)))
    names: Sequence[str] = said["removed"]
    return names


async def _done_here(settings: Settings, older_than: float) -> Sequence[str]:
    clock = SystemClock()
    database = open_database(settings.database_url, 2)
    roll = Random().random  # noqa: S311 - no secret
    media = Media(settings, Env(clock, roll, lambda _: None))
    cleanup = Cleanup(database, media, clock, roll)
    try:
        return await cleanup.sweep(older_than)
    finally:
        await cleanup.aclose()
        await media.aclose()
        await database.close()
