"""Give an upstream no more than it answers in time, and let nobody wait for a place in vain.

How many calls it is given at once is the business of `gradient`. Who finds no place waits here, and here alone: the
queue in the upstream is short because the limit is, and ours because who would not be answered in time is refused
before it waits. How long it would wait is known: permits ahead x seconds per call / calls at once (Little's law). A
call, with its wait, gets what an attempt may take, so that calls that follow one another keep to their deadline
together.

So a refusal is made at once and costs nothing, and what is let in is answered. What the wait has used up of a call's
time is no fault of the upstream: `Record.waited` tells the breaker. The attempt's own time begins when it is sent,
since `Timeout` stands inside.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from stagedoor import _context as context
from stagedoor._call import Call, Env, Send
from stagedoor._deadline import DueTime, is_late
from stagedoor._events import CallShed, LimitMoved
from stagedoor.errors import Overloaded, UpstreamError, UpstreamTimeout
from stagedoor.policies._circuit_breaker import CircuitBreakerSend
from stagedoor.policies._cost import Cost
from stagedoor.policies._gradient import Gradient
from stagedoor.policies._options import validate
from stagedoor.policies._permits import Permits
from stagedoor.policies._timeout import had_all

__all__ = ["AdaptiveLimit", "ConcurrencyLimiter", "lesson"]

P = TypeVar("P")
R = TypeVar("R")
_IN_TIME = 3.0  # a call that takes such a part of its attempt is in time, whatever the service could do
_PROMISED = 0.02  # seconds in which a call that was promised comes
_TOO_MANY, _FAILED = 429, 500  # statuses


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveLimit:
    """Let as many calls be under way as are answered in time, `least` to `most`; it begins with `start`.

    `attempt` is the seconds that one attempt may take, as in `Timeout`: a call that takes a third of it is in time, and
    wait and call together get no more. At most `queue` calls wait. Raises `Overloaded`, nearly always at once, for a
    call that would come too late.
    """

    keyed: ClassVar[bool] = False

    attempt: float
    most: int = 100
    least: int = 1
    start: int = 10
    queue: int = 1000

    def __post_init__(self) -> None:
        validate(self, "attempt", 0 < self.attempt < math.inf, "seconds above 0")
        validate(self, "least", self.least >= 1, "at least 1")
        validate(self, "most", self.most >= self.least, "at least as many as least")
        validate(self, "start", self.start >= 1, "at least 1")
        validate(self, "queue", self.queue >= 0, "0 or more")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside: wait and call together end with the attempt's time, or with the deadline."""
        return inner

    def wrap(self, send: Send[P, R], env: Env, /) -> "ConcurrencyLimiter[P, R]":
        """Return a Send with a limit and a queue of its own."""
        return ConcurrencyLimiter(self, send, env)


class ConcurrencyLimiter(Generic[P, R]):
    """The limit round one Send, and who waits."""

    __slots__ = (
        "_env",
        "_now",
        "_promised_until",
        "_rule",
        "_send",
        "gradient",
        "outside",
        "permits",
        "promised",
        "told",
    )

    def __init__(self, rule: AdaptiveLimit, send: Send[P, R], env: Env) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self._now = env.clock.now
        self.permits = Permits(env.clock)
        self.gradient = Gradient(
            target=rule.attempt / _IN_TIME, most=rule.most, least=rule.least, start=rule.start
        )
        self.told = self.gradient.places
        self.outside: Sequence[CircuitBreakerSend[P, R]] = ()  # who holds calls back before they come here
        self.promised = 0  # calls that somebody has begun something for
        self._promised_until = 0.0

    def counts(self) -> Mapping[str, int]:
        """Return the permits that are out and the calls that wait for one."""
        return {"permits": self.permits.taken, "waiting": self.permits.waiting}

    @property
    def limit(self) -> int:
        """Return how many calls may be under way now."""
        return self.gradient.places

    def gate(self, call: Call[Any]) -> None:
        """Raise `Overloaded` where this call would be refused now: `check` for a flight, at little cost."""
        if self.permits.taken + self.promised >= self.gradient.places:
            name, _, operation = call.operation.partition(".")
            self.check(name, operation, call.deadline)

    def check(self, name: str, operation: str, deadline: DueTime, *, promise: bool = False) -> None:
        """Raise `Overloaded` where such a call would be refused now; for whoever begins something for it.

        `promise` says that the call is sure to follow: until it is here, others reckon with it. Without, the newest
        promise is taken for that of this very call.
        """
        promised = self.promised
        if promised and not promise:
            promised -= 1
        taken, places = self.permits.taken, self.gradient.places
        if taken + promised >= places:
            if promised and self._now() > self._promised_until:  # they never came: a breaker was open, say
                promised = self.promised = 0
            if taken + promised >= places and self._latest(deadline, promised) is None and self._comes_now():
                raise self._refusal(f"{name}.{operation}")
        if promise:
            if not promised:
                self._promised_until = self._now() + _PROMISED
            self.promised = promised + 1

    def _comes_now(self) -> bool:
        """Tell whether a call would be here at once: who waits for a probe finds places for what has become of it."""
        return all(breaker.state != "half_open" for breaker in self.outside)

    def withdraw(self) -> None:
        """Take a promise back: the call will not come after all."""
        if self.promised:
            self.promised -= 1

    async def __call__(self, call: Call[P]) -> R:
        """Send the call at once, or after a wait that leaves it time; refuse it otherwise."""
        permits = self.permits
        if self.promised:
            self.promised -= 1
        if permits.taken < self.gradient.places:
            permits.taken += 1
        else:
            await self._waited(call)
        began = self._now()
        try:
            value = await self._send(call)
        except BaseException as error:
            self.failed(call, began, error)
            raise
        self.succeeded(call, began, self._now())
        return value

    def succeeded(self, call: Call[P], began: float, now: float) -> None:
        """Learn of a call that was answered, and take its permit back."""
        permits, gradient = self.permits, self.gradient
        gradient.ended(now, began, permits.taken)
        if permits.waiting or gradient.places != self.told:
            self.back(call)
        else:
            permits.taken -= 1

    def failed(self, call: Call[P], began: float, error: BaseException) -> None:
        """Learn of a call that was not, and take its permit back."""
        now = self._now()
        lost = lesson(error, now - began, self._rule.attempt)
        if lost is not None:
            self.gradient.ended(now, began, self.permits.taken, dropped=lost)
        elif isinstance(error, UpstreamTimeout) or (
            isinstance(error, asyncio.CancelledError) and is_late(error)
        ):
            self.gradient.cut_short(now - began)
        self.back(call)

    def back(self, call: Call[P]) -> None:
        """Give the permit back, and tell of a limit that has moved."""
        places = self.gradient.places
        self.permits.give_back(places)
        if places != self.told:
            self.told = places
            self._env.observe(LimitMoved(call.operation, places))

    async def _waited(self, call: Call[P]) -> None:
        """Wait for a permit; raises `Overloaded` where there is none in time."""
        latest, began, permits = self._latest(call.deadline), self._now(), self.permits
        if latest is not None and permits.waiting >= self._rule.queue:
            permits.turn_away(context.current().priority)
        if latest is None or not await permits.wait(latest):
            raise self._refusal(call.operation)
        context.note_wait(self._now() - began)

    def _latest(self, deadline: DueTime, promised: int = 0) -> float | None:
        """Return the moment until which a wait is of use; None if the call's turn would come later."""
        permits, gradient, now = self.permits, self.gradient, self._now()
        rtt, free = gradient.rtt, max(0, gradient.places - permits.taken)
        priority = context.current().priority
        ahead = permits.ahead(priority) + max(0, promised - free)
        turn = now + ahead * rtt / gradient.places
        if deadline.narrowed(now + self._rule.attempt).at < turn + rtt:
            return None
        if not permits.has_room(priority, self._rule.queue):
            return None
        return deadline.at - rtt  # who stands in line may stay there as long as it is of use

    def _refusal(self, operation: str) -> Overloaded:
        self._env.observe(CallShed(operation, "overloaded"))
        return Overloaded(operation, "no place would be free in time", retry_after=1.0)

    def __repr__(self) -> str:
        permits = self.permits
        return f"<Limiter {permits.taken}/{self.gradient.places} under way, {permits.waiting} waiting>"


def lesson(error: BaseException, seconds: float, attempt: float) -> bool | None:
    """Tell whether a failure says that there was too much to do; None if it says nothing about that.

    A call that somebody's deadline cut short would perhaps have been answered in time.
    """
    match error:
        case UpstreamError() if error.response is not None:
            status = error.response.status
            # A failing service is the breaker's business: neither the pace nor the fact of a 5xx tells of a queue.
            return None if status >= _FAILED else status == _TOO_MANY
        case UpstreamTimeout():
            late = True
        case asyncio.CancelledError():
            late = is_late(error)
        case _:
            late = False
    return True if late and had_all(seconds, attempt) else None
