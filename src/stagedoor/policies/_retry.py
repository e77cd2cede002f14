"""Repeat a call that failed for a moment.

Pauses follow "full jitter": before retry n, uniform in [0, min(cap, base x 2^(n-1))], so that callers who
failed together do not come back together (R3). A wait that upstream asked for is kept exactly (R5). A pause that
would outlive the deadline is not slept: the error goes out at once (D2). A budget caps what all calls together
may repeat (R4), and what is a repetition already is not repeated again (R7).
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, TypeVar

from stagedoor._call import Call, Env, Send
from stagedoor._events import RetryScheduled
from stagedoor.errors import UpstreamError
from stagedoor.policies._budget import Account, Budget, afford
from stagedoor.policies._cost import Cost, repeated
from stagedoor.policies._options import validate

__all__ = ["Retry", "RetrySend", "next_wait"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Repeat a call that may be repeated, inside its deadline and its budget. Times are seconds.

    `attempts` counts the first. An `Account` as budget is shared with other policies of the same upstream.
    """

    keyed: ClassVar[bool] = False

    attempts: int = 2
    base: float = 0.025
    cap: float = 0.25
    budget: Budget | Account = field(default_factory=Budget)

    def __post_init__(self) -> None:
        validate(self, "attempts", 1 <= self.attempts <= 5, "1 to 5: more only adds to an outage (R2)")
        validate(self, "base", self.base >= 0, "seconds, 0 or more")
        validate(self, "cap", self.cap >= self.base, "at least base")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside, as often as there are attempts, with the longest pauses."""
        pauses = sum(min(self.cap, self.base * 2**n) for n in range(self.attempts - 1))
        whole = replace(inner, worst=inner.worst * self.attempts)
        return repeated(whole, self.attempts, pauses, self.budget)

    def wrap(self, send: Send[P, R], env: Env, /) -> Send[P, R]:
        """Return a Send that repeats, with an account of its own unless it was given one."""
        return RetrySend(self, send, env)


class RetrySend(Generic[P, R]):
    """The repetition round one Send; it raises the last error when it gives up."""

    __slots__ = ("_env", "_rule", "_send", "account")

    def __init__(self, rule: Retry, send: Send[P, R], env: Env) -> None:
        self._rule = rule
        self._send = send
        self._env = env
        self.account = rule.budget.account()

    async def __call__(self, call: Call[P]) -> R:
        """Send a call, and again where that may help."""
        self.account.earn()
        return await self.tried(call, call)

    async def tried(self, call: Call[P], current: Call[P]) -> R:
        """Send the current attempt of a call, and further ones where that may help."""
        while True:
            try:
                return await self._send(current)
            except UpstreamError as error:
                wait = self.wait(call, current, error)
                if wait is None:
                    raise
            await self.pause(wait)
            current = replace(current, attempt=current.attempt + 1)

    def pause(self, seconds: float) -> Awaitable[None]:
        """Sleep so long."""
        return self._env.clock.sleep(seconds)

    def wait(self, call: Call[P], current: Call[P], error: UpstreamError) -> float | None:
        """Return the seconds to wait before the attempt after this one, paid for and told; None to give up."""
        env = self._env
        left = call.deadline.remaining(env.clock.now())
        wait = next_wait(self._rule, current.attempt, error, may_repeat(call), left, env.rng())
        if wait is None or not afford(self.account, env, call.operation):
            return None
        env.observe(RetryScheduled(call.operation, current.attempt, wait, error))
        return wait


def may_repeat(call: Call[P]) -> bool:
    """Tell whether a call is safe to repeat (R1) and not a repetition itself (R7)."""
    return call.idempotent and call.attempt == 1


def next_wait(
    rule: Retry, attempt: int, error: UpstreamError, repeatable: bool, left: float, roll: float
) -> float | None:
    """Return the seconds to wait after the given attempt, or None to give up."""
    if attempt >= rule.attempts or not (repeatable and error.retryable):
        return None
    wait = error.retry_after
    if wait is None:
        if error.response is not None and error.response.status == 429:
            return None  # R5: they said "too many" and named no moment
        wait = roll * min(
            rule.cap, rule.base * 2 ** min(attempt - 1, 30)
        )  # clamped: floats overflow at 1,024
    return wait if wait < left else None
