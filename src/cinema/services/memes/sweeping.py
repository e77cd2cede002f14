"""`cinema sweep`: remove the pictures that no meme has, and say which they were.

Where the meme service runs, it does the work: it knows the token by which `cinema up` lets it in to the media service.
Else this process does it, with the token of its own settings.
"""

import http.client
import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

from cinema.database import open_database
from cinema.services.memes.cleanup import Cleanup
from cinema.services.memes.media import Media
from cinema.settings import Settings, host_of, port_of
from stagedoor._call import Env
from stagedoor._clock import SystemClock

__all__ = ["SweepFailed", "swept"]

_SECONDS: Final = 600.0
_FOREIGN: Final = "what listens there is no meme service"


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
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host_of(url), port_of(url), timeout=_SECONDS)
    try:
        connection.request("POST", f"{parts.path}/sweep?older_than={older_than:g}")
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (http.client.HTTPException, ValueError) as error:
        raise SweepFailed(_FOREIGN) from error
    except ConnectionRefusedError:
        raise
    except OSError as error:
        raise SweepFailed(f"the meme service does not answer ({error.strerror or error})") from error
    finally:
        connection.close()
    return _removed(answer.status, said if isinstance(said, dict) else {})


def _removed(status: int, said: Mapping[str, Any]) -> Sequence[str]:
    if status != 200:
        raise SweepFailed(str(said.get("detail", f"status {status}")))
    names = said.get("removed")
    if not isinstance(names, list):
        raise SweepFailed(_FOREIGN)
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
