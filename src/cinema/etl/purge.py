"""Tell gateways which cached answers are out: by the stamp beside the index, and over Redis where there is one."""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cinema.etl.stamp import next_stamp, read_stamp, write_stamp
from stagedoor.cache.server import Server, StoreDown
from stagedoor.cache.tags import ALL, tag

__all__ = ["EVERYTHING", "Purger", "Stamped", "WithRedis"]

EVERYTHING = "*"  # in place of tags
_SECONDS = 2.0


class Purger(Protocol):
    """Calls answers out that a batch has made old."""

    async def purge(
        self, tags: Collection[str], written: Counter[str], set_aside: int, lag: float, /
    ) -> tuple[str, ...]:
        """Tell of a batch; return the tags that somebody could not be told of, to be told again."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """Leave the stamp beside the index."""

    path: Path

    async def purge(
        self, tags: Collection[str], written: Counter[str], set_aside: int, lag: float, /
    ) -> tuple[str, ...]:
        named = None if EVERYTHING in tags else tags
        stamp = next_stamp(read_stamp(self.path), named, written, set_aside, lag)
        await asyncio.to_thread(write_stamp, self.path, stamp)
        return ()

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class WithRedis:
    """Leave the stamp, then tell Redis."""

    stamped: Stamped
    server: Server

    async def purge(
        self, tags: Collection[str], written: Counter[str], set_aside: int, lag: float, /
    ) -> tuple[str, ...]:
        await self.stamped.purge(tags, written, set_aside, lag)
        names = [ALL] if EVERYTHING in tags else [tag(name) for name in tags]
        try:
            async with asyncio.timeout(_SECONDS):
                await self.server.news(0)  # which connects
                await self.server.purge(names, 0)
        except (StoreDown, TimeoutError):
            return tuple(tags)
        return ()

    async def aclose(self) -> None:
        await self.server.aclose()
