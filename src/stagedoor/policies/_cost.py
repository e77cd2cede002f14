"""What one call through policies can cost, said by each policy of itself.

"Single" is every attempt as late as its time-out allows and none repeated; "worst" repeats as often as policies
permit, with the longest pauses. Amplification is told twice: the most calls that one request can cause (attempts x
copies), and the load that all requests together can cause when every call fails, which budgets hold down (R4, A9).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from stagedoor.policies._budget import Account, Budget

__all__ = ["FREE", "Cost", "Costed", "bounded", "cost_of", "repeated"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call through a stack of policies can cost; infinite seconds end with the deadline.

    `unknown` are the policies that do not say what they cost; they count as free, and `stagedoor check` names them.
    """

    single: float
    worst: float
    calls: int  # by one request
    load: float  # by all requests, all failing, as a multiple of the same without repetition
    unknown: tuple[str, ...] = ()
    paid: tuple[Budget | Account, ...] = field(default=(), compare=False)  # accounts that are counted already


FREE = Cost(math.inf, math.inf, 1, 1.0)


@runtime_checkable
class Costed(Protocol):
    """A policy that says what it costs. One that wraps another asks that one."""

    def cost(self, inner: Cost, /) -> Cost:
        """Return what a call costs with this policy round what costs `inner`."""
        ...


def bounded(inner: Cost, seconds: float) -> Cost:
    """Return a cost whose calls take at most so many seconds."""
    return replace(inner, single=min(inner.single, seconds), worst=min(inner.worst, seconds))


def repeated(inner: Cost, times: int, pauses: float, budget: Budget | Account) -> Cost:
    """Return a cost whose calls are repeated, as far as the budget pays; an account that is shared pays once."""
    known = any(budget is one for one in inner.paid)
    return replace(
        inner,
        calls=inner.calls * times,
        load=inner.load if known else inner.load * min(times, 1.0 + budget.share),
        worst=inner.worst + pauses,
        paid=inner.paid if known else (*inner.paid, budget),
    )


def cost_of(policies: Iterable[object]) -> Cost:
    """Return what one call through the policies, outermost first, can cost."""
    cost = FREE
    for policy in reversed(tuple(policies)):
        if isinstance(policy, Costed):
            cost = policy.cost(cost)
        else:
            cost = replace(cost, unknown=(type(policy).__name__, *cost.unknown))
    return cost
