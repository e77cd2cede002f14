"""Seeded faults: a policy that breaks some of the calls it sees.

Put it innermost, and everything round it meets the faults as if the transport had them. Which calls are hit follows
from `Env.rng` alone: one seed, one outcome (G7). Several kinds of fault are several of these policies.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from stagedoor._call import Call, Env, Send
from stagedoor.errors import UpstreamError, UpstreamTimeout
from stagedoor.policies._cost import Cost
from stagedoor.policies._options import validate

__all__ = ["Faults", "hit"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Hold `rate` of the calls up for `delay` seconds, and then fail them with a retryable `error`.

    Without an error they are only late. A delay ends at the call's deadline, with `UpstreamTimeout`.
    """

    keyed: ClassVar[bool] = False

    rate: float
    delay: float = 0.0
    error: type[UpstreamError] | None = None

    def __post_init__(self) -> None:
        validate(self, "rate", 0 <= self.rate <= 1, "between 0 and 1")
        validate(self, "delay", self.delay >= 0, "seconds, 0 or more")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside, after the delay."""
        return replace(inner, single=inner.single + self.delay, worst=inner.worst + self.delay)

    def wrap(self, send: Send[P, R], env: Env, /) -> Send[P, R]:
        """Return a Send that breaks some calls."""

        async def faulty(call: Call[P]) -> R:
            if not hit(self, env.rng()):
                return await send(call)
            left = call.deadline.remaining(env.clock.now())
            await env.clock.sleep(min(self.delay, left))
            if self.delay >= left:
                raise UpstreamTimeout(call.operation, "an injected delay")
            if self.error is not None:
                raise self.error(call.operation, "an injected fault", retryable=True)
            return await send(call)

        return faulty


def hit(rule: Faults, roll: float) -> bool:
    """Tell whether a roll, uniform in [0, 1), hits this call."""
    return roll < rule.rate
