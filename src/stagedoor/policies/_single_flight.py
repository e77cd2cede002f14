"""Let equal calls that are under way at the same time share one answer.

The first caller starts a flight: a task of its own, in the caller's context, held by the table of flights (X4).
Whoever asks the same under the same identity meanwhile joins it. All get the one value or the one error, and
nobody tries again on its own (K4). Each waits no longer than its own deadline. A caller that leaves, the first
included, changes nothing for the others; when the last one has left, the flight is cancelled in the same tick (D6).

A flight keeps the route's own deadline, also where its first caller asked for a sooner one (D5). Where the time of its
first caller was over, as that of a part with a limit, or of a request that had spent most of it, the first of those who
have as much again goes on with a flight for them all: an upstream that hangs is not asked again.

With a store, no flight is joined that began before a purge: what it brings may be what was called out, and who asks
now would keep what is made of it as if it were true (G4). Nobody knows before the answer is there whether a purge
meant it, so each costs one flight more for what is under way.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from stagedoor import _context as context
from stagedoor._cache.kept import purges_of
from stagedoor._cache.store import Store
from stagedoor._call import Call, Env, Send
from stagedoor._deadline import LATE, is_late
from stagedoor._events import CallJoined
from stagedoor.errors import UpstreamTimeout
from stagedoor.policies._cost import Cost
from stagedoor.policies._deadline import until
from stagedoor.policies._keys import keyed

__all__ = ["SingleFlight", "SingleFlightSend"]

P = TypeVar("P")
R = TypeVar("R")
Key: TypeAlias = tuple[str, str, bytes]
_EARLY = 0.002  # seconds: a loop may wake so much before a deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleFlight:
    """Join idempotent calls of equal operation, identity and key.

    `shareable` tells whether an answer may go to those who joined; if not, they ask for themselves (K5).
    Streams can be read once and belong to one reader: give a `shareable` that says so. `gate` is asked before a flight
    begins, and raises to refuse it: a refusal then costs no task. Whoever joins passes no gate. `sharing` is told of an
    answer that several will get, before any of them has it. Purges of `store` are what ends joining.
    """

    keyed: ClassVar[bool] = True

    shareable: Callable[[Any], bool] | None = None  # None: every answer is
    gate: Callable[[Call[Any]], object] | None = None
    sharing: Callable[[Any], object] | None = None
    store: Store | None = None

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside: at worst nobody asks the same."""
        return inner

    def wrap(self, send: Send[P, R], env: Env, /) -> "SingleFlightSend[P, R]":
        """Return a Send with a table of flights of its own."""
        return SingleFlightSend(self, send, env)


class _Flight(Generic[R]):
    __slots__ = ("began", "end", "error", "landed", "purges", "task", "trace", "value", "waiting")

    def __init__(self, purges: int, began: float, end: float) -> None:
        self.purges = purges  # known when it began
        self.began = began
        self.end = end  # its deadline
        self.waiting: dict[asyncio.Future[bool], None] = {}  # in order: one seed, one outcome
        self.task: asyncio.Task[None]
        self.landed = False
        self.value: R
        self.error: BaseException | None = None
        self.trace: TracebackType | None = None


class SingleFlightSend(Generic[P, R]):
    """The flights under way round one Send: the newest by operation, identity and key, and those it has overtaken."""

    __slots__ = ("_env", "_flights", "_overtaken", "_purges", "_rule", "_send")

    def __init__(self, rule: SingleFlight, send: Send[P, R], env: Env) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self._purges = purges_of(rule.store)
        self._flights: dict[Key, _Flight[R]] = {}
        self._overtaken: dict[_Flight[R], Key] = {}

    def counts(self) -> Mapping[str, int]:
        """Return the flights under way."""
        return {"flights": len(self._flights) + len(self._overtaken)}

    async def __call__(self, call: Call[P]) -> R:
        """Join the flight of an equal call, or start one."""
        if not call.idempotent:
            return await self._send(call)
        call = keyed(call)
        key = (call.operation, call.identity, call.key)
        flight, purges = self._flights.get(key), self._purges.mark.position
        if flight is None or flight.purges != purges:
            if self._rule.gate is not None:
                self._rule.gate(call)
            if flight is not None:
                self._overtaken[flight] = key
            route = context.current().route_deadline
            until_then = call.deadline if route is None else route
            flight = self._flights[key] = _Flight(purges, self._env.clock.now(), until_then.at)
            flight.task = asyncio.get_running_loop().create_task(self._fly(key, flight, call))
            return await self._wait(key, flight, call)
        self._env.observe(CallJoined(call.operation))
        context.current().record.joined = True
        try:
            value = await self._wait(key, flight, call)
        except UpstreamTimeout:
            if not self._was_short(flight, call):
                raise
            return await self(call)
        shareable = self._rule.shareable
        return value if shareable is None or shareable(value) else await self._send(call)

    def _was_short(self, flight: _Flight[R], call: Call[P]) -> bool:
        """Tell whether a flight has ended for its own deadline, and who joined has as much time again."""
        now = self._env.clock.now()
        return (
            flight.landed
            and flight.end <= now + _EARLY
            and call.deadline.at - now >= flight.end - flight.began
        )

    async def _fly(self, key: Key, flight: _Flight[R], call: Call[P]) -> None:
        asked = context.current()
        if asked.route_deadline is not None:
            context.enter(replace(asked, deadline=asked.route_deadline, route_deadline=None))
            call = until(call, asked.route_deadline)
        try:
            flight.value = await self._send(call)
            if self._rule.sharing is not None and len(flight.waiting) > 1:
                self._rule.sharing(flight.value)
        except BaseException as error:
            flight.error, flight.trace = error, error.__traceback__
            if not isinstance(error, Exception):
                raise
        finally:
            self._land(key, flight)

    def _land(self, key: Key, flight: _Flight[R]) -> None:
        flight.landed = True
        self._forget(key, flight)
        for waiter in flight.waiting:
            _wake(waiter, landed=True)

    def _forget(self, key: Key, flight: _Flight[R]) -> None:
        """Take a flight from the table, where its successor may stand now."""
        if self._flights.get(key) is flight:
            del self._flights[key]
        else:
            self._overtaken.pop(flight, None)

    async def _wait(self, key: Key, flight: _Flight[R], call: Call[P]) -> R:
        waiter: asyncio.Future[bool] = flight.task.get_loop().create_future()
        flight.waiting[waiter] = None
        end, late = call.deadline.at, False
        timer = None if end == math.inf else self._env.clock.call_at(end, lambda: _wake(waiter, landed=False))
        try:
            late = not await waiter
        except asyncio.CancelledError as gone:
            late = is_late(gone)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(key, flight, waiter, late)
        if not flight.landed:
            raise UpstreamTimeout(call.operation, "no answer within the deadline")
        if flight.error is not None:
            raise flight.error.with_traceback(flight.trace)  # else each waiter's frames would pile up on it
        return flight.value

    def _leave(self, key: Key, flight: _Flight[R], waiter: "asyncio.Future[bool]", late: bool) -> None:
        del flight.waiting[waiter]
        if not flight.waiting and not flight.landed:
            self._forget(key, flight)
            shortened = context.current().route_deadline is not None
            flight.task.cancel(LATE if late and not shortened else None)

    async def aclose(self) -> None:
        """Cancel what is under way and wait until it has ended; called once, at shutdown."""
        flights = {flight: key for key, flight in self._flights.items()} | self._overtaken
        for flight in flights:
            flight.task.cancel()
        await asyncio.gather(*[flight.task for flight in flights], return_exceptions=True)
        for flight, key in flights.items():
            if not flight.landed:  # a task that is cancelled before its first turn never has one
                flight.error = asyncio.CancelledError()
                self._land(key, flight)

    def __repr__(self) -> str:
        flights = [*self._flights.values(), *self._overtaken]
        return f"<SingleFlight {len(flights)} flights, {sum(len(one.waiting) for one in flights)} waiting>"


def _wake(waiter: "asyncio.Future[bool]", *, landed: bool) -> None:
    if not waiter.done():
        waiter.set_result(landed)
