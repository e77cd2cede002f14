"""Keep long work going: what falls of an error that nobody foresaw says why, and is started again.

A task that ends of an exception ends in silence: the loop tells of it when the task is collected, and nothing that it
did is done any more. Whatever shall go on for as long as the process runs is therefore run through `supervised`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from stagedoor._clock import Clock

__all__ = ["is_stray", "next_pause", "supervised", "tell_fall"]

_LOGGER: Final = logging.getLogger("stagedoor._supervision")
_FIRST: Final = 0.1  # seconds
_LONGEST: Final = 1.0
_WELL: Final = 60.0  # what has run for so long had recovered


async def supervised(
    work: Callable[[], Awaitable[None]],
    clock: Clock,
    name: str,
    tell: Callable[[str, BaseException], None] | None = None,
) -> None:
    """Run work until it returns, and again after a pause whenever it raises; cancelling ends it.

    `tell` hears the name and the error of a fall, by default the logger "stagedoor._supervision": the first time, when
    it is another kind of error than the last, and when the work had run well for a minute.
    """
    told: type[BaseException] | None = None
    pause = 0.0
    while True:
        began = clock.now()
        try:
            return await work()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not is_stray(error):
                raise
            lived = clock.now() - began
            pause = next_pause(pause, lived)
            if lived >= _WELL or type(error) is not told:
                with suppress(Exception):  # who tells may be what is broken
                    (tell or tell_fall)(name, error)
            told = type(error)
        await clock.sleep(pause)


def next_pause(last: float, lived: float) -> float:
    """Return the seconds to wait after a fall, given the wait before and how long the work has run since."""
    if last == 0.0 or lived >= _WELL:
        return _FIRST
    return min(2 * last, _LONGEST)


def tell_fall(name: str, error: BaseException) -> None:
    """Log a fall with its places."""
    _LOGGER.error("%s fell of %s and is started again", name, type(error).__name__, exc_info=error)


def is_stray(error: BaseException) -> bool:
    """Tell whether an error is a cancellation of what was awaited alone: nobody wants this task gone."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling()
