"""Where sessions lie, as bytes that only their browser's cookie opens; and the one in memory.

A session ends when it was not used for the idle time, and at the end of its lifetime anyhow. A store knows it by a mark
that is a digest of its id, so that who reads the store cannot use what it reads.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

__all__ = ["MemorySessions", "Replaced", "SessionStore", "StoreAway", "StoredSession"]

Replaced: TypeAlias = Literal["done", "gone", "changed"]
_MOST = 100_000  # sessions in memory: each has logged in, and the one unused for longest goes first
_MOST_MARKS = 100_000


class StoreAway(Exception):
    """The store does not answer: nobody can tell who has a session."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What is kept of one session: its bytes, the seconds since they were written, and how often they were replaced."""

    data: bytes
    age: float
    version: int


class SessionStore(Protocol):
    """Keeps sessions; every question is atomic, and raises `StoreAway`."""

    async def read(self, mark: bytes, /, *, use: bool) -> StoredSession | None:
        """Return a session; `use` begins its idle time anew."""
        ...

    async def create(self, mark: bytes, data: bytes, /) -> None:
        """Keep a new session."""
        ...

    async def replace(self, mark: bytes, data: bytes, version: int, /) -> Replaced:
        """Replace a session's bytes if it is there still, in this version; its ends stay as they are."""
        ...

    async def delete(self, mark: bytes, /) -> None:
        """End a session."""
        ...

    async def spend(self, mark: bytes, seconds: float, /) -> bool:
        """Tell whether nobody has spent a mark before; it is remembered for so long."""
        ...

    async def lock(self, mark: bytes, owner: bytes, seconds: float, /) -> bool:
        """Take a lock that nobody else has, or take it anew; it ends by itself after so long."""
        ...

    async def unlock(self, mark: bytes, owner: bytes, /) -> None:
        """Give a lock back, if it is the owner's still."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


@dataclass(slots=True)
class _Kept:
    data: bytes
    written: float
    used: float
    until: float
    version: int = 1


class MemorySessions:
    """A `SessionStore` of one process; times are seconds, and `now` is the process's own clock."""

    def __init__(self, now: Callable[[], float], *, idle: float, lifetime: float, most: int = _MOST) -> None:
        self._now = now
        self._idle = idle
        self._lifetime = lifetime
        self._most = most
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()  # the one unused for longest first
        self._spent: OrderedDict[bytes, float] = OrderedDict()
        self._locks: dict[bytes, tuple[bytes, float]] = {}

    async def read(self, mark: bytes, /, *, use: bool) -> StoredSession | None:
        kept, now = self._alive(mark), self._now()
        if kept is None:
            return None
        if use:
            kept.used = now
            self._kept.move_to_end(mark)
        return StoredSession(kept.data, now - kept.written, kept.version)

    async def create(self, mark: bytes, data: bytes, /) -> None:
        now = self._now()
        self._make_room()
        self._kept[mark] = _Kept(data, now, now, now + self._lifetime)

    async def replace(self, mark: bytes, data: bytes, version: int, /) -> Replaced:
        kept = self._alive(mark)
        if kept is None:
            return "gone"
        if kept.version != version:
            return "changed"
        kept.data, kept.written, kept.version = data, self._now(), version + 1
        return "done"

    async def delete(self, mark: bytes, /) -> None:
        self._kept.pop(mark, None)

    async def spend(self, mark: bytes, seconds: float, /) -> bool:
        now = self._now()
        if self._spent.get(mark, now) > now:
            return False
        self._spent[mark] = now + seconds
        if len(self._spent) > _MOST_MARKS:
            self._spent.popitem(last=False)
        return True

    async def lock(self, mark: bytes, owner: bytes, seconds: float, /) -> bool:
        now = self._now()
        held, until = self._locks.get(mark, (owner, now))
        if held != owner and until > now:
            return False
        self._locks[mark] = (owner, now + seconds)
        return True

    async def unlock(self, mark: bytes, owner: bytes, /) -> None:
        if self._locks.get(mark, (b"", 0.0))[0] == owner:
            del self._locks[mark]

    async def aclose(self) -> None:
        self._kept.clear()

    def _alive(self, mark: bytes) -> _Kept | None:
        """Return a session that has not ended; one that has is forgotten."""
        kept, now = self._kept.get(mark), self._now()
        if kept is not None and now < min(kept.used + self._idle, kept.until):
            return kept
        self._kept.pop(mark, None)
        return None

    def _make_room(self) -> None:
        """Forget what has ended of those unused for longest, and one more where there is no place."""
        while self._kept:
            oldest = next(iter(self._kept))
            if self._alive(oldest) is not None:  # else it is forgotten by now
                if len(self._kept) >= self._most:
                    del self._kept[oldest]
                return

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<MemorySessions {len(self)}, {len(self._spent)} spent>"
