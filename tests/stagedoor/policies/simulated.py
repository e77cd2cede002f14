"""A service of so many places under an open load, its client with a limit: discrete events, no loop, no waiting."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable

from stagedoor.policies._gradient import Gradient

__all__ = ["Served"]

ATTEMPT = 0.08


class _Sent:
    __slots__ = ("at", "ended")

    def __init__(self, at: float) -> None:
        self.at = at
        self.ended = False


class Served:
    """Calls come at random; who finds no place in the limit is refused, or waits where its turn comes in time.

    `takes` draws the seconds that the service needs for a call. What is given up there goes on to the end all the same.
    """

    def __init__(self, places: int, takes: Callable[[random.Random, float], float], *, seed: int) -> None:
        self.gradient = Gradient(target=ATTEMPT / 3, most=100)
        self.now = 0.0
        self._takes = takes
        self._rng = random.Random(seed)
        self._free = places
        self._line: deque[_Sent] = deque()
        self._waiting = 0
        self._under_way = 0
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self.answered = self.late = 0

    def offer(self, rate: float, seconds: float) -> float:
        """Let calls come at a rate; return how many a second were answered in time."""
        before, end = self.answered, self.now + seconds
        self._at(self._rng.expovariate(rate), lambda: self._come(rate, end))
        while self._due and self._due[0][0] <= end:
            self.now, _, act = heapq.heappop(self._due)
            act()
        self.now = end
        return (self.answered - before) / seconds

    def _at(self, wait: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + wait, next(self._order), act))

    def _come(self, rate: float, end: float) -> None:
        if self.now < end:
            self._at(self._rng.expovariate(rate), lambda: self._come(rate, end))
        gradient = self.gradient
        if self._under_way < gradient.places:
            self._send()
        elif (self._waiting + 1) * gradient.rtt / gradient.places + gradient.rtt <= ATTEMPT:
            self._waiting += 1

    def _send(self) -> None:
        self._under_way += 1
        sent = _Sent(self.now)
        self._line.append(sent)
        self._at(ATTEMPT, lambda: self._end(sent, in_time=False))
        self._serve()

    def _serve(self) -> None:
        while self._free and self._line:
            self._free -= 1
            sent = self._line.popleft()
            self._at(self._takes(self._rng, self.now), lambda sent=sent: self._done(sent))  # type: ignore[misc]

    def _done(self, sent: _Sent) -> None:
        self._free += 1
        self._end(sent, in_time=True)
        self._serve()

    def _end(self, sent: _Sent, *, in_time: bool) -> None:
        if sent.ended:
            return
        sent.ended = True
        self.answered += in_time
        self.late += not in_time
        self.gradient.ended(self.now, sent.at, self._under_way, dropped=not in_time)
        self._under_way -= 1
        while self._waiting and self._under_way < self.gradient.places:
            self._waiting -= 1
            self._send()
