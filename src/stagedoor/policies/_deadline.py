"""Keep everything inside a call's deadline.

One moment covers queueing, all attempts, all back-off and decoding (D1). Layers inside end by it on their own;
this one refuses work that comes too late to be of use before it costs anything (D4), and cuts off whatever does
not keep to the moment.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from stagedoor._call import Call, Env, Send
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._events import CallShed
from stagedoor.errors import UpstreamTimeout
from stagedoor.policies._cost import Cost, bounded
from stagedoor.policies._options import validate

__all__ = ["Deadline", "due", "until"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Hold everything inside to the call's deadline, and to `limit` seconds from now if that is sooner.

    Raises `UpstreamTimeout`, not retryable: the time is over, not one attempt.
    """

    keyed: ClassVar[bool] = False

    limit: float | None = None

    def __post_init__(self) -> None:
        validate(self, "limit", self.limit is None or self.limit > 0, "seconds above 0, or None")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside, bounded by the limit."""
        return inner if self.limit is None else bounded(inner, self.limit)

    def wrap(self, send: Send[P, R], env: Env, /) -> Send[P, R]:
        """Return a Send that ends by the deadline whatever the given one does."""
        clock, observe = env.clock, env.observe

        async def within(call: Call[P]) -> R:
            now = clock.now()
            deadline = due(self, call.deadline, now)
            if deadline.passed(now):
                observe(CallShed(call.operation, "deadline"))
                raise UpstreamTimeout(call.operation, "not sent: the deadline had passed")
            try:
                with TimeoutScope(clock, deadline):
                    return await send(call if deadline is call.deadline else until(call, deadline))
            except TimeoutError as error:
                raise UpstreamTimeout(call.operation, "no answer within the deadline") from error

        return within


def due(rule: Deadline, deadline: DueTime, now: float) -> DueTime:
    """Return the moment by which a call that starts now has to end."""
    return deadline if rule.limit is None else deadline.narrowed(now + rule.limit)


def until(call: Call[P], deadline: DueTime) -> Call[P]:
    """Return the call under another deadline."""
    # By position, for every attempt: with names it takes a third longer, by dataclasses.replace three times as long.
    return Call(
        call.operation,
        call.payload,
        call.key,
        call.identity,
        deadline,
        call.idempotent,
        call.attempt,
        call.key_of,
        call.keyed,
    )
