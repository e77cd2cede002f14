"""Wait for a database or an index that is away: exponential pauses with jitter, as long as it takes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from cinema.database import DatabaseUnavailable
from stagedoor._call import Env
from stagedoor.search import WriterError

__all__ = ["FIRST", "LONGEST", "Retrying", "next_pause"]

T = TypeVar("T")

FIRST = 0.25
LONGEST = 10.0


def next_pause(attempt: int, roll: float) -> float:
    """Seconds to wait after so many failures in a row (from 1): half of it fixed, half of it chance."""
    longest = min(LONGEST, FIRST * 2.0 ** min(attempt - 1, 30))  # clamped: floats overflow at 1,024
    return longest * (0.5 + 0.5 * roll)


@dataclass(frozen=True, slots=True)
class Retrying:
    """Repeat work that an outage has stopped; `tell` hears what failed, why, and how long the wait is."""

    env: Env
    tell: Callable[[str, BaseException, float], None]

    async def keep(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return what the work returns; it must be safe to repeat, and is repeated for ever.

        Raises:
            WriterError: asking again does not help, or has to begin with what was written since the last commit.

        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await work()
            except (DatabaseUnavailable, WriterError) as error:
                if isinstance(error, WriterError) and (error.lost or not error.retryable):
                    raise
                await self.pause(attempt, what, error)

    async def pause(self, attempt: int, what: str = "", error: BaseException | None = None) -> None:
        """Wait as long as is due after so many failures in a row; cancelling ends it at once."""
        seconds = next_pause(attempt, self.env.rng())
        if error is not None:
            self.tell(what, error, seconds)
        await self.env.clock.sleep(seconds)
