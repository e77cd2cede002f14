"""Give each attempt less time than the whole call has, so that a late one can be repeated.

How to choose the figure: the upstream's p99.9 means one false time-out in a thousand (D7). The time to connect is
a setting of the transport.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from stagedoor._call import Call, Env, Send
from stagedoor._deadline import DueTime
from stagedoor.errors import ConfigError, UpstreamTimeout
from stagedoor.policies._cost import Cost, bounded
from stagedoor.policies._deadline import Deadline, until
from stagedoor.policies._options import validate

__all__ = ["Timeout", "check_attempts", "had_all", "repeatable"]

P = TypeVar("P")
R = TypeVar("R")
_WHOLE = 0.9  # of an attempt's time: whoever had that much had all of it, as far as clocks of loops can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """End each attempt after `attempt` seconds, by a sooner deadline for the transport, which keeps it.

    Raises `UpstreamTimeout`: retryable if only the attempt was late, not if the call's own deadline passed.
    """

    keyed: ClassVar[bool] = False

    attempt: float

    def __post_init__(self) -> None:
        validate(self, "attempt", 0 < self.attempt < math.inf, "seconds above 0")

    def cost(self, inner: Cost, /) -> Cost:
        """Return what is inside, bounded."""
        return bounded(inner, self.attempt)

    def wrap(self, send: Send[P, R], env: Env, /) -> Send[P, R]:
        """Return a Send whose every call is one attempt, with its own time-out."""
        now = env.clock.now

        async def attempting(call: Call[P]) -> R:
            deadline = call.deadline.narrowed(now() + self.attempt)
            try:
                return await send(until(call, deadline))
            except UpstreamTimeout as error:
                error.retryable = repeatable(error, deadline, call.deadline, now())
                raise

        return attempting


def repeatable(error: UpstreamTimeout, attempt: DueTime, whole: DueTime, now: float) -> bool:
    """Tell whether another attempt may help: this one was late, and the call as a whole is not."""
    # Which deadline was sooner decides, not the clock alone: loops may wake a millisecond early.
    return (attempt < whole or error.retryable) and not whole.passed(now)


def had_all(seconds: float, attempt: float) -> bool:
    """Tell whether a call that was cut off after so many seconds had all the time of an attempt."""
    return seconds >= _WHOLE * attempt


def check_attempts(policies: Iterable[object], deadline: float, where: str) -> None:
    """Raise `ConfigError` if an attempt may take as long as the whole call, in seconds (D3).

    `where` names the declaration for whoever reads the error; a `Deadline` in the stack narrows the deadline.
    """
    stack = tuple(policies)
    limits = [item.limit for item in stack if isinstance(item, Deadline) and item.limit is not None]
    whole = min([deadline, *limits])
    for item in stack:
        if isinstance(item, Timeout) and item.attempt >= whole:
            raise ConfigError(
                f"{where}: Timeout(attempt={item.attempt:g}) must be below the deadline of {whole:g} s, "
                "or a late attempt can never be repeated"
            )
