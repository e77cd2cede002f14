"""Time as an argument: nothing below a composition root reads a clock of its own."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "SystemClock", "Timer"]


class Timer(Protocol):
    """A callback that waits for its moment and can still be called off."""

    def cancel(self) -> None:
        """Call the callback off; harmless after it has run."""


class Clock(Protocol):
    """What the kit may know about time.

    Every decision uses the monotonic `now`; `wall` is for people and for fields that carry dates,
    so that a step of the wall clock changes no decision (D5).
    """

    def now(self) -> float:
        """Return monotonic seconds since some fixed, unknown moment."""
        ...

    def wall(self) -> float:
        """Return seconds since 1970-01-01T00:00Z, for display only."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Wait at least so many seconds."""

    def call_at(self, moment: float, callback: Callable[[], object]) -> Timer:
        """Run the callback on the loop when the moment comes, by the loop's own measure.

        Loops differ: one that counts milliseconds (uvloop) may be up to 1.5 ms early. Who has to know which of
        two moments came first compares the moments, not the clock.
        """
        ...


class SystemClock:
    """The clock of the machine and of the running event loop."""

    __slots__ = ()

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)

    def call_at(self, moment: float, callback: Callable[[], object]) -> Timer:
        """Run the callback on the running loop when the moment comes."""
        # Loops count time from origins of their own (uvloop in milliseconds), so the wait is handed over.
        return asyncio.get_running_loop().call_later(moment - time.monotonic(), callback)
