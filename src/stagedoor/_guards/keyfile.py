"""A file of keys that is read again when it changes, at most once a second and off the event loop."""

import asyncio
import logging
from contextvars import Context
from pathlib import Path
from typing import TypeAlias

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._guards.apikeys import KeyTable, read_lines
from stagedoor._plain_file import read_plain

__all__ = ["KeyFile", "read_file"]

_EVERY = 1.0  # seconds between two looks, which is how long a key that was taken out is still good
_MOST = 4 * 2**20  # bytes: some 50,000 keys
_LOGGER = logging.getLogger("stagedoor.guards")
State: TypeAlias = tuple[int, int, int]
_GONE: State = (0, 0, 0)


def read_file(path: Path) -> tuple[State, KeyTable]:
    """Return what a file holds, and by what a change shows; raises `OSError`, and `ValueError` for a bad line."""
    state = _state_of(path)
    try:
        text = read_plain(path, _MOST).decode()
    except UnicodeDecodeError:
        raise ValueError("the file must be text in UTF-8") from None
    return state, KeyTable(read_lines(text.splitlines()))


def _state_of(path: Path) -> State:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


class KeyFile:
    """The keys of one file. One that has become unreadable changes nothing, and is told to the log.

    Whoever comes while the file is looked at waits for it, half of the time that is left: where nobody has asked for
    long, what is known may be that old. Raises `OSError` or `ValueError` where it cannot be read at the start.
    """

    def __init__(self, name: str, path: Path, clock: Clock) -> None:
        self._name = name
        self._path = path
        self._clock = clock
        self._state, self._table = read_file(path)
        self._looked = clock.now()
        self._looking: asyncio.Task[None] | None = None
        self._told: State | None = None

    async def current(self, deadline: DueTime) -> KeyTable:
        """Return the keys as the file has them, at most a second late."""
        now = self._clock.now()
        if self._looking is None and now >= self._looked + _EVERY:
            self._looked = now
            self._looking = asyncio.create_task(asyncio.to_thread(self._look), context=Context())
            self._looking.add_done_callback(self._done)
        if self._looking is not None:
            await self._seen(self._looking, DueTime(now + deadline.remaining(now) / 2))
        return self._table

    async def _seen(self, looking: "asyncio.Task[None]", deadline: DueTime) -> None:
        """Wait for a look; who leaves ends it for nobody."""
        try:
            with TimeoutScope(self._clock, deadline):
                await asyncio.shield(looking)
        except TimeoutError:
            return

    def _done(self, _: "asyncio.Task[None]") -> None:
        self._looking = None

    def held(self) -> KeyTable:
        """Return the keys as they were read last."""
        return self._table

    def _look(self) -> None:
        state = _GONE
        try:
            state = _state_of(self._path)
            if state == self._told:
                return
            self._told = None  # what is wrong after that is told again
            if state != self._state:
                self._state, self._table = read_file(self._path)
        except (OSError, ValueError) as error:
            if state == _GONE == self._told:
                return
            self._told = state
            _LOGGER.warning(
                "the keys of %s cannot be read again (%s): those that are known go on",
                self._name,
                error if isinstance(error, ValueError) else type(error).__name__,
            )

    async def aclose(self) -> None:
        """Wait for no look any more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def __repr__(self) -> str:
        return f"<KeyFile {self._name} {self._table!r}>"
