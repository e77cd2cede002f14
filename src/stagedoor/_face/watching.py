"""Notice code that blocks the event loop, and name its place: for tests and for development, not for production."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

__all__ = ["Watch"]

_KIT = str(Path(__file__).parent.parent)
# Where a loop's own code begins: what stands above it on the stack is what it runs now. uvloop has no frames at all.
_LOOPS = ("asyncio/events.py", "asyncio/base_events.py", "asyncio/runners.py")
_SERVERS = ("/uvloop/", "/uvicorn/")
_EVERY = 0.05  # seconds between two looks
_LOOKS = 3  # in one place, without a turn of the loop between them
_LATE = (
    2 * _EVERY
)  # a look that comes later says that the machine had no time for us, so that it is none of the code's


class Watch:
    """Looks at the event loop from a thread while it is entered; `blocked` says what stood still, and where.

    `told` is called with each such message, from the thread.
    """

    def __init__(self, told: Callable[[str], object] | None = None) -> None:
        self.blocked: str | None = None
        self._told = told
        self._beats = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        args = (loop, threading.get_ident())
        self._thread = threading.Thread(target=self._look, args=args, name="stagedoor-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        self._beats += 1

    def _look(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        seen: tuple[int, str] | None = None
        times, looked = 0, time.monotonic()
        while not self._stop.wait(_EVERY):
            before, looked = looked, time.monotonic()
            if looked - before > _EVERY + _LATE:
                seen = None
            place = _theirs(sys._current_frames().get(thread))  # noqa: SLF001 - the documented way to look at a thread
            now = None if place is None else (self._beats, place)
            times = times + 1 if now is not None and now == seen else 0
            seen = now
            if times == _LOOKS and place is not None:
                self._tell(place)
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._beat)

    def _tell(self, place: str) -> None:
        text = (
            f"{place} blocks the event loop, and every other request with it: await instead, or use "
            "asyncio.to_thread"
        )
        self.blocked = self.blocked or text
        if self._told is not None:
            self._told(text)


def _theirs(frame: FrameType | None) -> str | None:
    """Return the innermost line of the user's code if a task of theirs runs now; None if the loop waits."""
    place: str | None = None
    while frame is not None:
        name = frame.f_code.co_filename
        library = "site-packages" in name or "/lib/python3" in name or name.startswith((_KIT, "<"))
        if place is None and not library:
            place = f"{name}:{frame.f_lineno}"
        if name.endswith(_LOOPS) or any(one in name for one in _SERVERS):
            return place
        frame = frame.f_back
    return None
