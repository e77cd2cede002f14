"""Tell of what a service stands on while it is late: who asks has left by the time it fails."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection

from cinema.database import Database

__all__ = ["WatchedDatabase", "told_when_late"]

T = TypeVar("T")
_LATE: Final = 0.7  # seconds: longer than any answer may take, short enough to be told within one


@contextmanager
def told_when_late(tell: Callable[[], object]) -> Iterator[None]:
    """Call `tell` if the block still runs after 0.7 s."""
    timer = asyncio.get_running_loop().call_later(_LATE, tell)
    try:
        yield
    finally:
        timer.cancel()


class WatchedDatabase:
    """A database; `tell` is called when an answer of it is late."""

    def __init__(self, database: Database, tell: Callable[[], object]) -> None:
        self._database = database
        self._tell = tell

    async def read(self, work: Callable[[Connection], T], /) -> T:
        """Return what the database does."""
        with told_when_late(self._tell):
            return await self._database.read(work)

    async def write(self, work: Callable[[Connection], T], /) -> T:
        """Return what the database does."""
        with told_when_late(self._tell):
            return await self._database.write(work)

    async def close(self) -> None:
        """Close it."""
        await self._database.close()

    def __repr__(self) -> str:
        return repr(self._database)
