"""Let so many calls be under way at once, and a few wait.

A queue forms only when the upstream is slower than the load. How long a call takes is not measured here, as
`AdaptiveLimit` does: so the newest is served first, since it has most of its deadline left, and when the queue is full
the oldest makes room, since it has least (O6), of the class that is beyond its share. Nobody waits past its deadline.
The queue itself is `permits`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from stagedoor import _context as context
from stagedoor._call import Call, Env, Send
from stagedoor._events import CallShed
from stagedoor.errors import Overloaded
from stagedoor.policies._cost import Cost
from stagedoor.policies._options import validate
from stagedoor.policies._permits import Permits

__all__ = ["Bulkhead", "BulkheadSend"]

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
        validate(self, "limit", self.limit >= 1, "at least 1")
        validate(self, "queue", self.queue >= 0, "0 or more")
        validate(self, "max_wait", self.max_wait > 0, "seconds above 0")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside: waiting for a place ends with the deadline, as everything does."""
        return inner

    def wrap(self, send: Send[P, R], env: Env, /) -> "BulkheadSend[P, R]":
        """Return a Send with places of its own, all free."""
        return BulkheadSend(self, send, env)


class BulkheadSend(Generic[P, R]):
    """The places round one Send, and who waits for one."""

    __slots__ = ("_env", "_permits", "_rule", "_send")

    def __init__(self, rule: Bulkhead, send: Send[P, R], env: Env) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self._permits = Permits(env.clock, newest_first=True)

    def counts(self) -> Mapping[str, int]:
        """Return the permits that are out and the calls that wait for one."""
        return {"permits": self._permits.taken, "waiting": self._permits.waiting}

    async def __call__(self, call: Call[P]) -> R:
        """Send the call once a place is free."""
        permits, limit = self._permits, self._rule.limit
        if permits.taken < limit:
            permits.taken += 1
        elif not await self._granted(call):
            self._env.observe(CallShed(call.operation, "overloaded"))
            raise Overloaded(call.operation, "no place was free in time", retry_after=1.0)
        try:
            return await self._send(call)
        finally:
            if permits.waiting:
                permits.give_back(limit)
            else:
                permits.taken -= 1

    async def _granted(self, call: Call[P]) -> bool:
        rule, permits = self._rule, self._permits
        if rule.queue == 0:
            return False
        if permits.waiting >= rule.queue and not permits.turn_away(context.current().priority):
            return False
        began = self._env.clock.now()
        granted = await permits.wait(call.deadline.narrowed(began + rule.max_wait).at)
        context.note_wait(self._env.clock.now() - began)
        return granted

    def __repr__(self) -> str:
        permits, rule = self._permits, self._rule
        return f"<Bulkhead {permits.taken}/{rule.limit} taken, {permits.waiting}/{rule.queue} waiting>"
