"""A deadline is a moment, not a duration: handing it on costs nothing and loses nothing (D1)."""

import asyncio
import math
from types import TracebackType
from typing import Self

from stagedoor._clock import Clock, Timer
from stagedoor._value import value

__all__ = ["LATE", "NEVER", "DueTime", "TimeoutScope", "is_late"]

LATE = "the deadline passed"  # the message of a cancellation by `TimeoutScope`, which can be told from others


@value(order=True)
class DueTime:
    """The moment, in seconds of the clock's `now`, after which an answer is of no use."""

    at: float

    def remaining(self, now: float) -> float:
        """Return the seconds left, never less than zero."""
        return max(0.0, self.at - now)

    def passed(self, now: float) -> bool:
        """Tell whether nothing is left."""
        return now >= self.at

    def narrowed(self, at: float) -> "DueTime":
        """Return the sooner of this deadline and the given moment; a deadline never grows."""
        return DueTime(at) if at < self.at else self


NEVER = DueTime(math.inf)


def is_late(cancelled: asyncio.CancelledError) -> bool:
    """Tell whether a cancellation says that a deadline passed, and not that the caller left."""
    return cancelled.args == (LATE,)


class TimeoutScope:
    """Cancel the block it guards when a deadline passes, and raise `TimeoutError` in its place.

    It tells its own expiry from the caller's cancellation, also when both happen in one tick (X3):
    the caller's cancellation wins and leaves as `CancelledError`.
    """

    __slots__ = ("_cancelling", "_clock", "_deadline", "_expired", "_task", "_timer")

    def __init__(self, clock: Clock, deadline: DueTime) -> None:
        self._clock = clock
        self._deadline = deadline
        self._expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Expiry guards a block inside a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._timer: Timer | None = None
        if self._deadline.at != math.inf:
            self._timer = self._clock.call_at(self._deadline.at, self._expire)
        return self

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel(LATE)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._expired:
            return
        # Task.cancelling counts requests: more than ours on top means somebody else wants the task gone too,
        # and must not be forgotten where the block turned our cancellation into an error of its own.
        if self._task.uncancel() > self._cancelling:
            if kind is not asyncio.CancelledError:
                raise asyncio.CancelledError from error
        elif kind is asyncio.CancelledError:
            raise TimeoutError from error
