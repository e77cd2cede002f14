"""A server that counts for a throttle of several processes, inside this process, with its faults."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from stagedoor._cache.limit_counter import BUCKETS, TICK, ClientCount, SharedLimit
from stagedoor._cache.server import StoreDown
from stagedoor._clock import Clock

__all__ = ["FakeLimitCounter"]

_PRESENT = 10.0  # seconds that a process counts after it last asked


@dataclass
class _CountedRequests:
    counts: dict[tuple[str, int], dict[int, int]] = field(default_factory=dict)
    processes: dict[int, float] = field(default_factory=dict)


class FakeLimitCounter:
    """Count as Redis does, on a manual clock, until told otherwise: `fail`, `hang` or `lag`, then `heal`.

    `partner` is what another process would use: the same counts, and faults of its own. What is sent while it hangs or
    lags is counted at once; only the answer is late. Its clock is so many seconds `ahead`.
    """

    def __init__(self, clock: Clock, *, ahead: float = 0.0) -> None:
        self.asked = 0
        self._clock = clock
        self._ahead = ahead
        self._data = _CountedRequests()
        self._healed = asyncio.Event()
        self.heal()

    def partner(self) -> "FakeLimitCounter":
        """Return another way to the same counts."""
        other = FakeLimitCounter(self._clock, ahead=self._ahead)
        other._data = self._data
        return other

    def fail(self) -> None:
        """Refuse every question from now on."""
        self._failing = True

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._healed.clear()

    def lag(self, seconds: float) -> None:
        """Answer so much later."""
        self._lag = seconds

    def heal(self) -> None:
        """End all faults."""
        self._failing = False
        self._lag = 0.0
        self._healed.set()

    def lose(self) -> None:
        """Forget everything, as a restart does."""
        self._data.counts.clear()
        self._data.processes.clear()

    async def sync(
        self, spent: Mapping[str, int], terms: SharedLimit, /, *, want: bool = False
    ) -> tuple[int, list[ClientCount]]:
        self.asked += 1
        if self._failing:
            raise StoreDown("ConnectionRefusedError")
        answer = self._settle(spent, terms, want)
        await self._healed.wait()
        if self._lag:
            await self._clock.sleep(self._lag)
        return answer

    def _settle(
        self, spent: Mapping[str, int], terms: SharedLimit, want: bool
    ) -> tuple[int, list[ClientCount]]:
        now, processes = self._clock.now() + self._ahead, self._data.processes
        processes[id(self)] = now
        for one in [one for one, at in processes.items() if at <= now - _PRESENT]:
            del processes[one]
        most = terms.most(len(processes))
        told = [self._one(key, more, terms, now, most, want) for key, more in spent.items()]
        return len(processes), told

    def _one(self, key: str, more: int, terms: SharedLimit, now: float, most: int, want: bool) -> ClientCount:
        width = terms.seconds / BUCKETS
        bucket = int((now + TICK) // width)
        counts = self._data.counts.setdefault((key, terms.seconds), {})
        for old in [old for old in counts if old < bucket - BUCKETS]:
            del counts[old]
        granted = want and sum(counts.values()) + more < most
        if more + granted:
            counts[bucket] = counts.get(bucket, 0) + more + granted
        total = left = sum(counts.values())
        last = bucket  # the one whose leaving makes room
        for last in sorted(counts):
            left -= counts[last]
            if left < most:
                break
        return ClientCount(granted, total, (last + BUCKETS + 1) * width - now)

    def __repr__(self) -> str:
        return f"<FakeLimitCounter {len(self._data.counts)} clients, {len(self._data.processes)} processes>"
