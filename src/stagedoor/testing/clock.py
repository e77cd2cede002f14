"""A clock that stands still until a test moves it."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from stagedoor._clock import Timer

__all__ = ["ManualClock", "settle"]

T = TypeVar("T")
_MOMENT = 0.001  # seconds between two looks at what goes on elsewhere
_SOON = 1.0  # seconds: whoever sleeps longer than this in a test does not mean it


class _Alarm:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """A `Clock` whose time moves only by `advance`; timers run in order, each at its own moment.

    Timers of one moment run in one tick, before any task, as they do on a real loop.
    """

    def __init__(self, now: float = 1000.0, wall: float = 1_767_607_200.0) -> None:
        self._now = now
        self._offset = wall - now
        self._order = itertools.count()
        self._alarms: list[tuple[float, int, _Alarm]] = []

    def now(self) -> float:
        """Read the time that the test has set, in seconds."""
        return self._now

    def wall(self) -> float:
        """Read a wall clock that moves along with `now`; it begins at 2026-01-05T10:00:00Z."""
        return self._now + self._offset

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the clock far enough; nothing to wait for is one turn of the loop."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        done = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        alarm = self.call_at(self._now + seconds, wake)
        try:
            await done
        finally:
            alarm.cancel()

    def call_at(self, moment: float, callback: Callable[[], object]) -> Timer:
        """Run the callback when the test moves the clock to the moment or past it."""
        alarm = _Alarm(callback)
        if moment != math.inf:
            heapq.heappush(self._alarms, (moment, next(self._order), alarm))
        return alarm

    async def advance(self, seconds: float) -> None:
        """Move time on, stopping at each timer and letting all tasks run to rest in between."""
        await self.advance_to(self._now + seconds)

    async def advance_to(self, target: float) -> None:
        """Move time on to a moment in the same way."""
        await settle()
        while self._alarms and self._alarms[0][0] <= target:
            self._now = max(self._now, self._alarms[0][0])
            while self._alarms and self._alarms[0][0] <= self._now:
                self._strike(heapq.heappop(self._alarms)[2])
            await settle()
        self._now = max(self._now, target)
        await settle()

    def _strike(self, alarm: _Alarm) -> None:
        if alarm.callback is not None:
            alarm.callback()

    async def run(self, work: Awaitable[T]) -> T:
        """Run work to its end; whenever every task waits, time jumps to the next timer.

        It stands still while a thread works, or while code sleeps in real time: that ends by itself.
        Raises `RuntimeError` if every task waits and no timer is set: nothing could ever happen.
        """
        task = asyncio.ensure_future(work)
        try:
            await settle()
            while not task.done():
                if _elsewhere():
                    await asyncio.sleep(_MOMENT)
                    await settle()
                else:
                    await self.advance_to(self._next())
            return task.result()
        finally:
            task.cancel()

    def _next(self) -> float:
        while self._alarms and self._alarms[0][2].callback is None:
            heapq.heappop(self._alarms)
        if not self._alarms:
            raise RuntimeError("every task waits, and no timer is set")
        return self._alarms[0][0]

    def pending(self) -> int:
        """Count the timers that wait, so that a test sees a forgotten one."""
        return sum(alarm.callback is not None for _, _, alarm in self._alarms)


def _elsewhere() -> bool:
    """Tell whether a thread of the loop works, or one of its own timers ends soon."""
    loop = asyncio.get_running_loop()
    executor = getattr(loop, "_default_executor", None)
    if executor is not None:
        idle = getattr(executor, "_idle_semaphore", None)
        if idle is not None and len(executor._threads) > idle._value:  # noqa: SLF001 - there is no other way to know
            return True
    soon = loop.time() + _SOON
    return any(not one.cancelled() and one.when() < soon for one in getattr(loop, "_scheduled", ()))


async def settle() -> None:
    """Let every task run until each one waits for time or for the world."""
    ready = getattr(asyncio.get_running_loop(), "_ready", ())
    for _ in range(10_000):
        await asyncio.sleep(0)
        if not ready:
            return
    raise RuntimeError("tasks never came to rest")
