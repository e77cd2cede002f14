"""Let so many calls be under way at once, and a few wait.

A queue forms only when the upstream is slower than the load. Then the newest is served first, since it has most of
its deadline left, and when the queue is full the oldest makes room, since it has least (O6). Nobody waits past its
deadline.

A permit is handed from call to call: it is counted free only when nobody waits. A waiter that is cancelled in the
very tick in which it was given the permit hands it on.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from stagedoor.call import Call, Env, Send
from stagedoor.deadline import LATE
from stagedoor.errors import Overloaded
from stagedoor.events import CallShed
from stagedoor.policies.cost import Cost
from stagedoor.policies.options import demand

__all__ = ["Bulkhead", "Places"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulkhead:
    """Hold the calls under way to `limit`; up to `queue` more wait, each for at most `max_wait` seconds.

    Raises `Overloaded` for a call that found no place in time.
    """

    keyed: ClassVar[bool] = False

    limit: int = 100
    queue: int = 100
    max_wait: float = math.inf

    def __post_init__(self) -> None:
        demand(self, "limit", self.limit >= 1, "at least 1")
        demand(self, "queue", self.queue >= 0, "0 or more")
        demand(self, "max_wait", self.max_wait > 0, "seconds above 0")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside: waiting for a place ends with the deadline, as everything does."""
        return inner

    def wrap(self, send: Send[P, R], env: Env, /) -> "Places[P, R]":
        """Return a Send with places of its own, all free."""
        return Places(self, send, env)


class Places(Generic[P, R]):
    """The places round one Send, and who waits for one."""

    __slots__ = ("_env", "_rule", "_send", "_taken", "_waiting")

    def __init__(self, rule: Bulkhead, send: Send[P, R], env: Env) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self._taken = 0
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()  # oldest first

    def counts(self) -> Mapping[str, int]:
        """Return the permits that are out and the calls that wait for one."""
        return {"permits": self._taken, "waiting": len(self._waiting)}

    async def __call__(self, call: Call[P]) -> R:
        """Send the call once a place is free."""
        if self._taken < self._rule.limit:
            self._taken += 1
        elif not await self._granted(call):
            self._env.observe(CallShed(call.operation, "overloaded"))
            raise Overloaded(call.operation, "no place was free in time", retry_after=1.0)
        try:
            return await self._send(call)
        finally:
            if self._waiting:
                self._hand_on()
            else:
                self._taken -= 1

    async def _granted(self, call: Call[P]) -> bool:
        if self._rule.queue == 0:
            return False
        if len(self._waiting) >= self._rule.queue:
            _answer(self._waiting.popitem(last=False)[0], granted=False)
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        clock = self._env.clock
        end = call.deadline.narrowed(clock.now() + self._rule.max_wait).at
        timer = None if end == math.inf else clock.call_at(end, lambda: _answer(place, granted=False))
        self._waiting[place] = None
        try:
            return await place
        except asyncio.CancelledError as error:
            if not place.cancelled() and place.result():
                self._hand_on()
            if error.args == (LATE,):
                return (
                    False  # the same moment seen by a guard outside: still our shedding, not their lateness
                )
            raise
        finally:
            self._waiting.pop(place, None)
            if timer is not None:
                timer.cancel()

    def _hand_on(self) -> None:
        while self._waiting:
            if _answer(self._waiting.popitem()[0], granted=True):
                return
        self._taken -= 1

    def __repr__(self) -> str:
        return f"<Bulkhead {self._taken}/{self._rule.limit} taken, {len(self._waiting)}/{self._rule.queue} waiting>"


def _answer(place: asyncio.Future[bool], *, granted: bool) -> bool:
    """Tell a waiter, unless it has been told or has gone; return whether it was told now."""
    if place.done():
        return False
    place.set_result(granted)
    return True
