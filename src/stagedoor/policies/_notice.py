"""Let calls wait for something that is told to all of them at once."""

import asyncio
import math

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, is_late

__all__ = ["Notice"]


class Notice:
    """What becomes of something, for those who wait for it; `len` is how many do."""

    __slots__ = ("_clock", "_waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[asyncio.Future[bool], None] = {}  # oldest first

    async def heard(self, end: DueTime) -> bool:
        """Wait until it is told; False if the time is over first."""
        news: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        timer = (
            None if end.at == math.inf else self._clock.call_at(end.at, lambda: _answer(news, heard=False))
        )
        self._waiting[news] = None
        try:
            return await news
        except asyncio.CancelledError as error:
            if is_late(error):
                return False  # the same moment seen by a guard outside: nothing was heard in time
            raise
        finally:
            self._waiting.pop(news, None)
            if timer is not None:
                timer.cancel()

    def tell(self) -> None:
        """Wake all who wait, the newest first, for it has most of its time left (O6)."""
        waiting, self._waiting = self._waiting, {}
        for news in reversed(waiting):
            _answer(news, heard=True)

    def __len__(self) -> int:
        return len(self._waiting)


def _answer(news: "asyncio.Future[bool]", *, heard: bool) -> None:
    if not news.done():
        news.set_result(heard)
