"""How many requests a process may work on at once when its own processor is what is short. Pure: no clock, no await.

What queues then is the event loop: each turn has more to do, and everything takes longer. The sign is the delay between
asking the loop for a turn and having it. A pause of the machine delays some turns, overload delays all of them: so what
counts is the least delay of an interval, as in CoDel (Nichols and Jacobson, 2012; RFC 8289), and only above a target.
Above it the limit follows the same gradient as that of a service (`gradient`): requests under way x target / delay. A
limit on requests under way admits one for each that ends, so that it needs no knowledge of what they cost, and what
waits for a slow service is not shed, as long as the loop has time.

Who is refused is a matter of priority (`context.WEIGHTS`): the less urgent leave room for the more urgent, and each has
its own share of the limit even while another floods (O6; partitions as in Netflix' concurrency-limits).
"""

import math
from typing import Final

from stagedoor import _context as context
from stagedoor.policies._gradient import moved

__all__ = ["Pressure"]

_INTERVAL: Final = 0.05  # seconds at least, and ...
_TURNS: Final = 3  # ... turns: a single one that is late says nothing, however late it is
_LEAST: Final = 8  # requests that are always let in
_GROWTH: Final = 1.1  # of the limit in each interval that is in time
_UNUSED: Final = 0.5  # of the limit: where no more is wanted, there is none
_ROOM: Final[dict[context.Priority, float]] = {"operations": 1.2, "detail": 1.0, "list": 0.85, "search": 0.7}
_WHOLE: Final = sum(context.WEIGHTS.values())
_SHARE: Final = {name: weight / _WHOLE for name, weight in context.WEIGHTS.items()}


class Pressure:
    """Requests under way, and whether one more is let in: `enter`, then `leave` once for each that was.

    `target` is the delay of a turn, in seconds, up to which there is no pressure. At most `most` are under way.
    """

    __slots__ = (
        "_ample",
        "_delay",
        "_most",
        "_peak",
        "_promised",
        "_target",
        "_turns",
        "_until",
        "limit",
        "promised",
        "total",
        "under_way",
    )

    def __init__(self, *, target: float, most: int) -> None:
        self._target = target
        self._most = float(most)
        self._delay = math.inf  # the least of this interval
        self._peak = self._turns = 0
        self._until = -math.inf
        self.limit = self._most
        self._ample = self._most * _ROOM["search"]  # below it there is room for everybody
        self.total = 0
        self.under_way: dict[context.Priority, int] = dict.fromkeys(context.WEIGHTS, 0)
        self.promised = 0  # that were told they would be let in, and have not come yet
        self._promised: dict[context.Priority, int] = dict.fromkeys(context.WEIGHTS, 0)

    def enter(self, priority: context.Priority) -> bool:
        """Count a request in; False if it is one too many."""
        if self.promised and self._promised[priority]:
            self._promised[priority] -= 1
            self.promised -= 1
        under_way = self.under_way[priority]
        if self.total >= self._ample:
            limit = self.limit
            if self.total >= limit * _ROOM[priority] and under_way >= limit * _SHARE[priority]:
                return False
        self.under_way[priority] = under_way + 1
        self.total += 1
        return True

    def promise(self, priority: context.Priority) -> bool:
        """Tell whether a request that is about to `enter` would be let in; until it does, others reckon with it.

        A promise that nobody redeems is forgotten with the next turn that is told of.
        """
        if self.is_full(priority):
            return False
        self._promised[priority] += 1
        self.promised += 1
        return True

    def is_full(self, priority: context.Priority) -> bool:
        """Tell whether one more would be refused now."""
        limit = self.limit
        return (
            self.total + self.promised >= limit * _ROOM[priority]
            and self.under_way[priority] + self._promised[priority] >= limit * _SHARE[priority]
        )

    def is_tight(self) -> bool:
        """Tell whether anybody may be refused."""
        return self.limit < self._most or self.total >= self._ample

    def is_low(self) -> bool:
        """Tell whether there is room for everybody, whatever their priority."""
        return self.total < self._ample

    def leave(self, priority: context.Priority) -> None:
        """Count a request out."""
        self.under_way[priority] -= 1
        self.total -= 1

    def turned(self, now: float, delay: float) -> None:
        """Note that a turn of the loop came so many seconds after it was asked for."""
        self._delay = min(self._delay, delay)
        self._peak = max(self._peak, self.total)
        self._turns += 1
        if self.promised:
            self.promised, self._promised = 0, dict.fromkeys(context.WEIGHTS, 0)
        if now >= self._until and self._turns >= _TURNS:
            self._close(now)

    def _close(self, now: float) -> None:
        delay, peak = self._delay, float(self._peak)
        if self._until == -math.inf:  # the first interval only begins
            pass
        elif delay > self._target:
            lower = moved(min(self.limit, peak), self._target, delay, headroom=0.0)
            self.limit = max(float(_LEAST), lower)
        elif peak < _UNUSED * self.limit:
            self.limit = self._most
        else:
            self.limit = min(self._most, self.limit * _GROWTH)
        self._ample = self.limit * _ROOM["search"]
        self._delay, self._until = math.inf, now + _INTERVAL
        self._peak = self._turns = 0

    def __repr__(self) -> str:
        return f"<Pressure {self.total} under way of {self.limit:.0f}>"
