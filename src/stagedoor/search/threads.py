"""Blocking calls on a few threads, for work that cannot be stopped once it runs.

A place is taken until its thread is back, however long ago the caller has gone: an abandoned search still costs what
it costs, and a bulkhead outside would count it as done. Who finds no place waits, in order, until the deadline.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from stagedoor.call import Call
from stagedoor.clock import Clock
from stagedoor.deadline import Expiry
from stagedoor.errors import Overloaded, UpstreamTimeout

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """Run blocking work on `size` threads; up to `queue` calls more wait for one."""

    __slots__ = ("_clock", "_pool", "_queue", "_size", "_taken", "_waiting")

    def __init__(self, size: int, queue: int, clock: Clock, name: str) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._size = size
        self._queue = queue
        self._clock = clock
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def run(self, call: Call[Any], work: Callable[[], T]) -> T:
        """Return what the work returns, by the call's deadline.

        Raises `UpstreamTimeout` if it takes longer (it goes on, and keeps its place), `Overloaded` if no place came
        free in time, and whatever the work raises.
        """
        if call.deadline.passed(self._clock.now()):
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        if self._taken < self._size:
            self._taken += 1
        else:
            await self._granted(call)
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        running.add_done_callback(self._back)
        try:
            with Expiry(self._clock, call.deadline):
                return await asyncio.shield(running)
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation, "the search took longer", retryable=True) from error

    async def _granted(self, call: Call[Any]) -> None:
        if len(self._waiting) >= self._queue:
            raise Overloaded(call.operation, "too many searches wait", retry_after=1.0)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            with Expiry(self._clock, call.deadline):
                await place
        except TimeoutError as error:
            self._leave(place)
            raise Overloaded(call.operation, "no search ended in time", retry_after=1.0) from error
        except asyncio.CancelledError:
            self._leave(place)
            raise

    def _leave(self, place: "asyncio.Future[None]") -> None:
        """Wait no longer; a place that was given in this very tick is handed on."""
        if place.done() and not place.cancelled():
            self._hand_on()
        elif place in self._waiting:
            self._waiting.remove(place)

    def _back(self, ended: "asyncio.Future[Any]") -> None:
        if not ended.cancelled():
            ended.exception()  # looked at: nobody may be left to raise it to
        self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._taken -= 1

    def counts(self) -> Mapping[str, int]:
        """Return the threads that work, and the calls that wait for one (X1)."""
        return {"permits": self._taken, "waiting": len(self._waiting)}

    async def aclose(self) -> None:
        """Wait for what runs; nothing new is taken."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
