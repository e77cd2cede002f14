"""Tell gateways which cached answers are out: by the manifest beside the index, and over Redis where there is one."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from cinema.etl.manifest import (
    FinishedBatch,
    Manifest,
    next_manifest,
    read_manifest,
    text_of,
    waiting,
    without_tags,
    write_manifest,
)
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import StoreDown
from stagedoor._cache.tags import ALL, tag

__all__ = ["EVERYTHING", "Invalidator", "WithManifest", "WithRedis"]

EVERYTHING = "*"  # in place of tags
_SECONDS = 2.0


class Invalidator(Protocol):
    """Calls answers out that a batch has made old, and tells how batches fare."""

    async def wait(self, since: Mapping[str, float], /) -> None:
        """Tell that a batch is under way whose oldest changes are of these moments, in Unix time by index."""

    async def purge(self, tags: Collection[str], did: FinishedBatch, /) -> tuple[str, ...]:
        """Tell of a batch; return the tags that somebody could not be told of, to be told again."""
        ...

    async def live(self, now: float, /) -> None:
        """Tell that the ETL runs at this moment, in Unix time."""

    async def aclose(self) -> None:
        """Close what is open."""


@dataclass(frozen=True, slots=True)
class WithManifest:
    """Leave the manifest beside the index."""

    path: Path
    # Who says that it lives does so in the middle of a batch.
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)

    async def wait(self, since: Mapping[str, float], /) -> None:
        await self._change(lambda manifest: waiting(manifest, since))

    async def purge(self, tags: Collection[str], did: FinishedBatch, /) -> tuple[str, ...]:
        named = None if EVERYTHING in tags else tags
        await self._change(lambda manifest: next_manifest(manifest, named, did))
        return ()

    async def live(self, now: float, /) -> None:
        await self._change(lambda manifest: replace(manifest, alive=now))

    async def _change(self, change: Callable[[Manifest], Manifest]) -> None:
        async with self._alone:
            await asyncio.to_thread(lambda: write_manifest(self.path, change(read_manifest(self.path))))

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class WithRedis:
    """Leave the manifest, then tell Redis: the tags, and the figures without them."""

    beside: WithManifest
    server: RedisServer
    key: str

    async def wait(self, since: Mapping[str, float], /) -> None:
        await self.beside.wait(since)
        await self._try_to_show()

    async def live(self, now: float, /) -> None:
        await self.beside.live(now)
        await self._try_to_show()

    async def _try_to_show(self) -> None:
        with suppress(StoreDown, TimeoutError):  # a figure, which the next one replaces
            async with asyncio.timeout(_SECONDS):
                await self.server.invalidations(0)
                await self._show()

    async def purge(self, tags: Collection[str], did: FinishedBatch, /) -> tuple[str, ...]:
        await self.beside.purge(tags, did)
        names = [ALL] if EVERYTHING in tags else [tag(name) for name in tags]
        try:
            async with asyncio.timeout(_SECONDS):
                await self.server.invalidations(0)  # which connects
                await self.server.purge(names, 0)
                await self._show()
        except (StoreDown, TimeoutError):
            return tuple(tags)
        return ()

    async def _show(self) -> None:
        manifest = await asyncio.to_thread(read_manifest, self.beside.path)
        await self.server.command("SET", self.key, text_of(without_tags(manifest)))

    async def aclose(self) -> None:
        await self.server.aclose()
