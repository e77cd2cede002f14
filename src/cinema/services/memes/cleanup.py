"""Remove pictures that no meme has: those the outbox names, and those that nobody ever named.

`changes` says why both are needed. The outbox is worked off as soon as something is put into it, and looked at every
few seconds for what has failed before. The sweep looks through everything that lies in the media service: some minutes
after the start, once an hour from then on, and when it is asked to; what is younger than an hour may belong to a write
that is still under way.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from cinema.database import Database, DatabaseUnavailable
from cinema.services.memes import changes, keys, queries
from cinema.services.memes.changes import Due
from cinema.services.memes.media import Media, StoredPicture
from stagedoor._clock import Clock
from stagedoor.errors import UpstreamError

__all__ = ["HOUR", "Cleanup", "first_sweep"]

_LOGGER: Final = logging.getLogger("cinema.memes")
HOUR: Final = 3_600.0
_LOOK: Final = 5.0  # seconds between two looks at the outbox
_PORTION: Final = 100
_AT_ONCE: Final = 4
_SOONEST, _LATEST = 60.0, 300.0  # seconds from the start to the first sweep
_FAR: Final = timedelta(days=36_500)


def first_sweep(roll: float) -> float:
    """Return the seconds from the start to the first sweep, and from one that failed to the next.

    A service that is restarted more than once an hour sweeps too; many that start at once do not all sweep at once.
    """
    return _SOONEST + roll * (_LATEST - _SOONEST)


class Cleanup:
    """The one that removes; `roll` is chance, from 0 to 1."""

    def __init__(self, database: Database, media: Media, clock: Clock, roll: Callable[[], float]) -> None:
        self._database = database
        self._media = media
        self._clock = clock
        self._roll = roll
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self) -> None:
        """Work the outbox off until it is stopped, and sweep some minutes after the start, then once an hour."""
        due = self._clock.now() + first_sweep(self._roll())
        self._ended.clear()
        while not self._stopping.is_set():
            with suppress(DatabaseUnavailable):
                while await self._portion(self._now()):
                    pass
            if self._clock.now() >= due:
                due = self._clock.now() + first_sweep(self._roll())
                with suppress(DatabaseUnavailable, UpstreamError):
                    await self.sweep(HOUR)
                    due = self._clock.now() + HOUR
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _LOOK)
        self._ended.set()

    async def stop(self) -> None:
        """Let it end by itself: a driver that is cancelled while it connects may take that for an outage."""
        self._stopping.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _LOOK)

    async def promptly(self, name: str, seconds: float = 0.1) -> None:
        """Remove a picture that is in the outbox; it goes on by itself if that takes longer."""
        task = self._spawn(self._remove(Due(name, 0)))
        await asyncio.wait({task}, timeout=seconds)

    def discard(self, name: str) -> None:
        """Remove a picture whose meme was perhaps not written, once it is certain that it was not."""
        self._spawn(self._discard(name))

    async def sweep(self, older_than: float) -> Sequence[str]:
        """Remove all that no meme has and that is so many seconds old; return the names.

        Raises:
            DatabaseUnavailable: nobody can say which pictures belong to a meme.
            UpstreamError: the media service cannot say what it has.

        """
        await self._database.write(partial(keys.prune, now=self._now()))
        await self._database.write(partial(changes.prune, now=self._now()))
        removed = await self._portions(self._now() + _FAR)
        after = ""
        while stored := await self._media.listed(after, _PORTION):
            removed += await self._swept([one for one in stored if one.age >= older_than])
            after = stored[-1].name
        return removed

    async def aclose(self) -> None:
        """Let what is under way end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)

    async def _swept(self, stored: Sequence[StoredPicture]) -> list[str]:
        names = [one.name for one in stored]
        known = await self._database.read(partial(queries.referenced, names=names)) if names else set()
        return await self._removed(
            [Due(name, 0) for name in names if name not in known and await self._taken(name)]
        )

    async def _taken(self, name: str) -> bool:
        return await self._database.write(partial(changes.take_unused, name=name, now=self._now()))

    async def _portions(self, until: datetime) -> list[str]:
        """Try once whatever is in the outbox; return the names that are gone."""
        removed: list[str] = []
        seen: set[str] = set()
        while True:
            found = await self._database.read(partial(changes.due, now=until, most=_PORTION + len(seen)))
            fresh = [one for one in found if one.name not in seen]
            if not fresh:
                return removed
            seen |= {one.name for one in fresh}
            removed += await self._removed(fresh)

    async def _portion(self, now: datetime) -> bool:
        """Try what is due; tell whether there may be more."""
        found = await self._database.read(partial(changes.due, now=now, most=_PORTION))
        return len(await self._removed(found)) == _PORTION

    async def _removed(self, wanted: Sequence[Due]) -> list[str]:
        done: list[str] = []
        for first in range(0, len(wanted), _AT_ONCE):
            portion = wanted[first : first + _AT_ONCE]
            gone = await asyncio.gather(*map(self._remove, portion))
            done += [one.name for one, is_gone in zip(portion, gone, strict=True) if is_gone]
        return done

    async def _remove(self, one: Due) -> bool:
        try:
            await self._media.remove(one.name)
        except UpstreamError as error:
            _LOGGER.warning("a picture could not be removed: %s", error.reason)
            await self._put_off(partial(changes.postpone, one=one, now=self._now()))
            return False
        await self._put_off(partial(changes.settle, name=one.name))
        return True

    async def _put_off(self, work: "partial[None]") -> None:
        with suppress(DatabaseUnavailable):  # it stays in the outbox, and is tried again
            await self._database.write(work)

    async def _discard(self, name: str) -> None:
        with suppress(DatabaseUnavailable):  # the sweep finds it
            if await self._taken(name):
                await self._remove(Due(name, 0))

    def _spawn(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[object]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)
