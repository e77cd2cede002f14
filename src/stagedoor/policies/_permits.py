"""Places for calls, and who waits for one: the one wait queue of bulkheads, adaptive limits and threads.

A permit is handed from call to call: it is counted free only when nobody waits. A waiter that is cancelled in the very
tick in which it was given a permit hands it on.

Calls of different priority (`context.WEIGHTS`) wait in lines of their own, and permits go to the lines in proportion to
their weights (start-time fair queueing; Goyal, Vin and Cheng, 1996): who matters more goes first, and no line starves
while another floods (O6). Within a line it is first come, first served, where callers are only let in if their turn
will come in time; else the newest first, for it has most of its time left (adaptive LIFO; Maurer, 2015).
"""

import asyncio
import math
from collections import OrderedDict
from typing import TypeAlias

from stagedoor import _context as context
from stagedoor._clock import Clock
from stagedoor._deadline import is_late

__all__ = ["Permits"]

_Line: TypeAlias = "OrderedDict[asyncio.Future[bool], None]"


class Permits:
    """How many are `taken`, and the lines for more; whoever holds it decides how many there are."""

    __slots__ = ("_clock", "_lines", "_newest_first", "_starts", "_virtual", "taken", "waiting")

    def __init__(self, clock: Clock, *, newest_first: bool = False) -> None:
        self._clock = clock
        self._newest_first = newest_first
        self._lines: dict[context.Priority, _Line] = {}
        # The virtual time at which each line is next.
        self._starts: dict[context.Priority, float] = dict.fromkeys(context.WEIGHTS, 0.0)
        self._virtual = 0.0
        self.taken = 0
        self.waiting = 0

    async def wait(self, end: float) -> bool:
        """Wait for a permit; False if there is none by `end`, a moment of the clock, or if it was turned away."""
        priority = context.current().priority
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        timer = None if end == math.inf else self._clock.call_at(end, lambda: _answer(place, granted=False))
        line = self._enter(priority, place)
        try:
            return await place
        except asyncio.CancelledError as error:
            # This one alone: how many there are may have changed since the wait began.
            if not place.cancelled() and place.result() and not self._hand_on():
                self.taken -= 1
            if is_late(error):
                return (
                    False  # the same moment seen by a guard outside: still our shedding, not their lateness
                )
            raise
        finally:
            self._leave(line, place)
            if timer is not None:
                timer.cancel()

    def give_back(self, limit: int) -> None:
        """Give a permit back; as many as are free below the limit go to those who wait."""
        self.taken -= 1
        while self.taken < limit and self.waiting and self._hand_on():
            self.taken += 1

    def has_room(self, priority: context.Priority, most: int) -> bool:
        """Tell whether a newcomer may wait where at most so many do: in a place that is free, or in another's."""
        return self.waiting < most or (most > 0 and self._crowded(priority) != priority)

    def turn_away(self, priority: context.Priority) -> bool:
        """Let one wait no longer, so that a newcomer can; False if there is none who should make room for it.

        It is one of the line that has most beyond its share, so that none of another class can be kept out by a flood:
        who would be served last.
        """
        crowded = self._crowded(priority)
        line = self._lines.get(crowded)
        if not line or (crowded == priority and not self._newest_first):
            return False
        return _answer(self._popped(line, newest=not self._newest_first), granted=False)

    def _crowded(self, priority: context.Priority) -> context.Priority:
        """Return the line that is longest for its weight, a newcomer counted in; of equals the least urgent."""
        lines, weights = self._lines, context.WEIGHTS
        names = reversed(tuple(weights))
        return max(names, key=lambda name: (len(lines.get(name, ())) + (name == priority)) / weights[name])

    def ahead(self, priority: context.Priority) -> float:
        """Return how many permits will be handed out until a newcomer has one, itself included."""
        lines, weights = self._lines, context.WEIGHTS
        if not self.waiting:
            return 1.0
        own = len(lines.get(priority, ())) + 1
        busy = sum(weights[name] for name, line in lines.items() if line and name != priority)
        return min(own * (1 + busy / weights[priority]), self.waiting + 1.0)

    def _enter(self, priority: context.Priority, place: "asyncio.Future[bool]") -> _Line:
        line = self._lines.get(priority)
        if line is None:
            line = self._lines[priority] = OrderedDict()
        if not line:  # what a line did not use while it was empty is lost
            self._starts[priority] = max(self._starts[priority], self._virtual)
        line[place] = None
        self.waiting += 1
        return line

    def _leave(self, line: _Line, place: "asyncio.Future[bool]") -> None:
        if place in line:
            del line[place]
            self.waiting -= 1

    def _popped(self, line: _Line, *, newest: bool) -> "asyncio.Future[bool]":
        self.waiting -= 1
        return line.popitem(last=newest)[0]

    def _hand_on(self) -> bool:
        """Give a permit to the next in turn; False if nobody is left who could take it."""
        starts = self._starts
        while self.waiting:
            lines: list[context.Priority] = [one for one, line in self._lines.items() if line]
            name: context.Priority = min(lines, key=starts.__getitem__)
            self._virtual = starts[name]
            if _answer(self._popped(self._lines[name], newest=self._newest_first), granted=True):
                starts[name] += 1 / context.WEIGHTS[name]
                return True
        return False

    def __repr__(self) -> str:
        return f"<Permits {self.taken} taken, {self.waiting} waiting>"


def _answer(place: "asyncio.Future[bool]", *, granted: bool) -> bool:
    """Tell a waiter, unless it has been told or has gone; return whether it was told now."""
    if place.done():
        return False
    place.set_result(granted)
    return True
