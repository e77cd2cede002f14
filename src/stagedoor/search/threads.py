"""Blocking calls on a few threads, for work that cannot be stopped once it runs.

A place is taken until its thread is back, however long ago the caller has gone: an abandoned search still costs what
it costs, and a limit outside would count it as done. Who finds no place waits, in the queue that all waiting is done in
(`policies._permits`), unless its turn would come too late by what searches took of late: then it is refused at once.

What waiting used up of a call's time is our shedding, not the engine's lateness: a search that waited longer than it
ran, and is late, is `Overloaded`.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from stagedoor import _context as context
from stagedoor._call import Call
from stagedoor._clock import Clock
from stagedoor._deadline import TimeoutScope
from stagedoor.errors import Overloaded, UpstreamTimeout
from stagedoor.policies._permits import Permits

__all__ = ["Threads"]

T = TypeVar("T")
_RECENT = 0.1  # the weight of the newest search in what searches take


class Threads:
    """Run blocking work on `size` threads; up to `queue` calls more wait for one."""

    __slots__ = ("_clock", "_permits", "_pool", "_queue", "_seconds", "_size")

    def __init__(self, size: int, queue: int, clock: Clock, name: str) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._size = size
        self._queue = queue
        self._clock = clock
        self._permits = Permits(clock)
        self._seconds = 0.0  # of a search, on average of late

    async def run(self, call: Call[Any], work: Callable[[], T]) -> T:
        """Return what the work returns, by the call's deadline.

        Raises `UpstreamTimeout` if it takes longer (it goes on, and keeps its place), `Overloaded` if no place came
        free in time, and whatever the work raises.
        """
        came = self._clock.now()
        if call.deadline.passed(came):
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        if self._permits.taken < self._size:
            self._permits.taken += 1
        else:
            await self._granted(call)
        began = self._clock.now()
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        running.add_done_callback(lambda ended: self._back(ended, began))
        try:
            with TimeoutScope(self._clock, call.deadline):
                return await asyncio.shield(running)
        except TimeoutError as error:
            if began - came > self._clock.now() - began:
                raise Overloaded(call.operation, "it had to wait too long", retry_after=1.0) from error
            raise UpstreamTimeout(call.operation, "the search took longer", retryable=True) from error

    async def _granted(self, call: Call[Any]) -> None:
        began, permits, priority = self._clock.now(), self._permits, context.current().priority
        if not permits.has_room(priority, self._queue):
            raise Overloaded(call.operation, "too many searches wait", retry_after=1.0)
        if call.deadline.passed(began + permits.ahead(priority) * self._seconds / self._size):
            raise Overloaded(call.operation, "no search would end in time", retry_after=1.0)
        if permits.waiting >= self._queue:
            permits.turn_away(priority)
        if not await permits.wait(call.deadline.at):
            raise Overloaded(call.operation, "no search ended in time", retry_after=1.0)
        context.note_wait(self._clock.now() - began)

    def _back(self, ended: "asyncio.Future[Any]", began: float) -> None:
        took = self._clock.now() - began
        self._seconds = took if not self._seconds else self._seconds + _RECENT * (took - self._seconds)
        if not ended.cancelled():
            ended.exception()  # looked at: nobody may be left to raise it to
        self._permits.give_back(self._size)

    def counts(self) -> Mapping[str, int]:
        """Return the threads that work, and the calls that wait for one (X1)."""
        return {"permits": self._permits.taken, "waiting": self._permits.waiting}

    async def aclose(self) -> None:
        """Wait for what runs; nothing new is taken."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
