"""Ask a search node what users ask, before they do.

The first questions to a node that has just started, or to an index that was just built, take many times as long as
those after them, and longer than a client waits. So they are asked here, with patience and past all policies: again and
again until all are answered in time, and then now and then, since a node may go and come back cold.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cinema.gateway.catalogue.resources import LISTS
from stagedoor._call import Call
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime
from stagedoor._supervision import supervised
from stagedoor.errors import UpstreamError
from stagedoor.search.engine import Engine
from stagedoor.search.query import Query

__all__ = ["QUESTIONS", "Warming"]

_PATIENCE = 10.0  # seconds for one question
_AGAIN = 1.0  # seconds until all is asked again while answers are late or missing
_CALM = 15.0  # and while they are not


def _question(path: str) -> bytes:
    return b"query=star" if path.endswith("/search") else b""


# Each list in the form that most ask for: the first page, or what some word finds.
QUESTIONS: tuple[Query, ...] = tuple(row.filters.parse(_question(row.path)).to_query() for row in LISTS)


class Warming:
    """One task that keeps a search engine warm; `quick` seconds are what one answer may take."""

    def __init__(self, engine: Engine, clock: Clock, quick: float) -> None:
        self._engine = engine
        self._clock = clock
        self._quick = quick

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Ask within it."""
        asking = supervised(self._follow, self._clock, "catalogue warming")
        task = asyncio.create_task(asking, name="catalogue warming")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ask(self) -> bool:
        """Ask everything, one after the other, until there is no answer; tell whether all came in time."""
        slowest = 0.0
        for query in QUESTIONS:
            slowest = max(slowest, await self._seconds(query))
            if slowest == math.inf:
                break
        return slowest <= self._quick

    async def _seconds(self, query: Query) -> float:
        began = self._clock.now()
        call = Call("search.warm", query, b"", "", DueTime(began + _PATIENCE), True)
        try:
            await self._engine.send(call)
        except UpstreamError:
            return math.inf
        return self._clock.now() - began

    async def _follow(self) -> None:
        while True:
            warm = await self.ask()
            await self._clock.sleep(_CALM if warm else _AGAIN)
