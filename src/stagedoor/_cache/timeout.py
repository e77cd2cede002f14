"""How long an operation of a server may take."""

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope

__all__ = ["StoreTimeout"]

_STALL = 0.005  # seconds a timer may be late before it is the loop that was busy


class StoreTimeout(TimeoutScope):
    """An `TimeoutScope` that can also be ended from outside, before its time.

    It forgives a loop that was held up: the answer may be there, only nobody has looked yet. A stall of ours must not
    pass for an outage of the server.
    """

    __slots__ = ("_spared",)

    def __init__(self, clock: Clock, deadline: DueTime) -> None:
        super().__init__(clock, deadline)
        self._spared = False

    def release(self) -> None:
        """End the block now, as if its time were over."""
        if not self._expired:
            super()._expire()

    def _expire(self) -> None:
        now = self._clock.now()
        if not self._spared and now - self._deadline.at > _STALL:
            self._spared = True
            self._timer = self._clock.call_at(now + _STALL, self._expire)
        else:
            self.release()
