"""A server of a shared store inside this process, with all its faults."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stagedoor._cache.entry import BORN
from stagedoor._cache.server import Invalidations, StoreDown
from stagedoor._cache.tags import ALL
from stagedoor._clock import Clock

__all__ = ["FakeServer"]

T = TypeVar("T")
_EPOCH = 1_767_607_200.0  # the server's clock is not ours


@dataclass
class _StoreData:
    entries: dict[bytes, tuple[bytes, int]] = field(
        default_factory=dict
    )  # bytes, and the millisecond of their end
    log: dict[bytes, int] = field(default_factory=dict)
    epoch: float = _EPOCH
    limit: int = 10_000


class FakeServer:
    """Do what Redis does, on a manual clock, until told otherwise: `fail`, `hang`, `lag` or `garble`, then `heal`.

    `partner` is another way to the same data with faults of its own: what another process would use. As with a real
    server that hangs, what was sent meanwhile is carried out in the end, whether or not anybody still waits for it.
    """

    def __init__(self, clock: Clock, *, limit: int = 10_000, name: str = "redis") -> None:
        self.name = name
        self.asked: list[str] = []  # the questions that reached it
        self.closed = False
        self._clock = clock
        self._data = _StoreData(limit=limit)
        self._stalled: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._change: Callable[[bytes], bytes] | None = None
        self._connected = True
        self.heal()

    def partner(self) -> "FakeServer":
        """Return another way to the same data."""
        other = FakeServer(self._clock, name=self.name)
        other._data = self._data
        return other

    def fail(self, reason: str = "ConnectionRefusedError") -> None:
        """Refuse every question from now on; those that wait are refused too, only `invalidations` connects again."""
        self._reason = reason
        self._connected = False
        stalled, self._stalled = self._stalled, []
        for _, future in stalled:
            if not future.done():
                future.set_exception(StoreDown(reason))

    def read_only(self, reason: str = "READONLY") -> None:
        """Refuse what writes, as a replica does, or a server out of memory."""
        self._read_only = reason

    def hang(self) -> None:
        """Take every question and answer none."""
        self._hanging = True

    def lag(self, seconds: float) -> None:
        """Answer so much later."""
        self._lag = seconds

    def garble(self, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes of every entry that is read."""
        self._change = change

    def heal(self) -> None:
        """End all faults; what was sent to a hanging server happens now."""
        self._reason = ""
        self._read_only = ""
        self._hanging = False
        self._lag = 0.0
        self._change = None
        stalled, self._stalled = self._stalled, []
        for act, future in stalled:
            answer = act()
            if not future.done():
                future.set_result(answer)

    def set_clock(self, seconds: float) -> None:
        """Move the server's clock by so much, forward or back."""
        self._data.epoch += seconds

    def lose(self) -> None:
        """Forget everything, as a restart without persistence does."""
        self._data.entries.clear()
        self._data.log.clear()

    def entries(self) -> dict[bytes, bytes]:
        """Return what is kept and not over, by key."""
        now = self._now() // 1000
        return {key: data for key, (data, until) in self._data.entries.items() if until > now}

    async def read(self, key: bytes, heard: int, /) -> tuple[Invalidations, bytes | None, float]:
        return await self._do("read", lambda: self._read(key, heard))

    async def write(self, key: bytes, data: bytes, until: int, heard: int, /) -> tuple[Invalidations, bool]:
        return await self._do("write", lambda: self._write(key, data, until, heard), writes=True)

    async def settle(
        self, key: bytes, data: bytes, until: int, heard: int, young: int, /
    ) -> tuple[Invalidations, bool, bytes | None, float]:
        return await self._do("settle", lambda: self._settle(key, data, until, heard, young), writes=True)

    async def purge(self, names: Iterable[bytes], heard: int, /) -> Invalidations:
        return await self._do("purge", lambda: self._purge(names, heard), writes=True)

    async def invalidations(self, heard: int, /) -> Invalidations:
        return await self._do("news", lambda: self._news(heard), writes=True)

    async def aclose(self) -> None:
        self.closed = True

    async def _do(self, question: str, act: Callable[[], T], *, writes: bool = False) -> T:
        self.asked.append(question)
        if self._reason or (writes and self._read_only):
            raise StoreDown(self._reason or self._read_only)
        self._connected = self._connected or question == "news"
        if not self._connected:
            raise StoreDown("not connected")
        if self._hanging:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._stalled.append((act, future))
            return await future
        if self._lag:
            await self._clock.sleep(self._lag)
        return act()

    def _now(self) -> int:
        return int((self._clock.now() + self._data.epoch) * 1e6)

    def _newest(self) -> int:
        return max(self._data.log.values(), default=0)

    def _answer(self, heard: int) -> Invalidations:
        names = [(name, number) for name, number in self._data.log.items() if number > heard]
        return Invalidations(self._newest(), self._now(), names)

    def _read(self, key: bytes, heard: int) -> tuple[Invalidations, bytes | None, float]:
        data, until = self._data.entries.get(key, (None, 0))
        left = until / 1000 - self._now() / 1e6
        if data is None or left <= 0.0:
            return self._answer(heard), None, 0.0
        return self._answer(heard), self._change(data) if self._change else data, left

    def _write(self, key: bytes, data: bytes, until: int, heard: int) -> tuple[Invalidations, bool]:
        if self._newest() != heard:
            return self._answer(heard), False
        old = self.entries().get(key)
        if old is None or int(old[BORN]) <= int(data[BORN]) or self._age(old) < 0:
            self._data.entries[key] = (data, until)
        return self._answer(heard), True

    def _settle(
        self, key: bytes, data: bytes, until: int, heard: int, young: int
    ) -> tuple[Invalidations, bool, bytes | None, float]:
        old = self.entries().get(key)
        if old is None or self._newest() != heard or not 0 <= self._age(old) < young:
            return (*self._write(key, data, until, heard), None, 0.0)
        left = self._data.entries[key][1] / 1000 - self._now() / 1e6
        return self._answer(heard), True, self._change(old) if self._change else old, left

    def _age(self, data: bytes) -> float:
        """Return the milliseconds since an entry was born; less than 0 if the clock was set back since."""
        return self._now() / 1000 - int(data[BORN])

    def _purge(self, names: Iterable[bytes], heard: int) -> Invalidations:
        log = self._data.log
        if self._newest() < max(heard, 1):
            log[ALL] = max(heard + 1, self._now())
        log.update(dict.fromkeys(names, max(self._newest() + 1, heard + 1, self._now())))
        over = sorted(log, key=log.__getitem__)[: max(0, len(log) - self._data.limit)]
        if over:
            floor = log[over[-1]]
            for name in over:
                del log[name]
            log[ALL] = max(floor, log.get(ALL, 0))
        return self._answer(heard)

    def _news(self, heard: int) -> Invalidations:
        if self._newest() < max(heard, 1):
            return self._purge([ALL], heard)
        return self._answer(heard)

    def __repr__(self) -> str:
        return f"<FakeServer {len(self._data.entries)} entries, {len(self._data.log)} purges>"
