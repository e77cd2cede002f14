"""Cap what repetition may add to a load.

Retries help when few calls fail and harm when many do: an upstream that is down would get every call twice.
So each call pays a share of a token into an account, and each repetition takes a whole one out. The account is
small: what a long calm saved cannot come out as a burst.

It starts full, so that an upstream with few calls may repeat at all, and it holds enough for the few failures of
a large burst. This reserve stays inside the share: calls pay in a little less than the share, so that over
`stretch` calls or more, wherever they begin, repetitions including the reserve never exceed share x calls (R4).
No clock is needed: load is counted in calls.
"""

from dataclasses import dataclass
from typing import Self

from stagedoor._call import Env
from stagedoor._events import BudgetExhausted
from stagedoor.policies._options import validate

__all__ = ["Account", "Budget", "afford"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Allow repetitions up to `share` of the calls over any `stretch` calls, and `reserve` of them at once."""

    share: float = 0.2
    reserve: int = 20
    stretch: int = 1000

    def __post_init__(self) -> None:
        validate(self, "share", 0 < self.share <= 1, "above 0 and at most 1")
        validate(self, "reserve", self.reserve >= 1, "at least 1")
        validate(self, "stretch", self.stretch * self.share > self.reserve, "above reserve / share")

    def account(self) -> "Account":
        """Open an account of its own for whoever asks."""
        return Account(self).account()


class Account:
    """The state of one budget.

    Given in place of a `Budget` to several policies of one upstream, they share it: each of them sees every call,
    so each pays in its part only.
    """

    __slots__ = ("_holders", "_income", "_reserve", "_rule", "_tokens")

    def __init__(self, rule: Budget) -> None:
        self._rule = rule
        self._holders = 0
        self._income = rule.share - rule.reserve / rule.stretch
        self._tokens = self._reserve = float(rule.reserve)

    @property
    def share(self) -> float:
        """The share of the calls that may be repeated: 0.1 is one in ten."""
        return self._rule.share

    def account(self) -> Self:
        """Take a share in this account; called by each policy once, before the first call."""
        self._holders += 1
        return self

    def earn(self) -> None:
        """Pay in for one call, however it will end."""
        if self._tokens < self._reserve:  # on a good day the account is full
            self._tokens = min(self._tokens + self._income / self._holders, self._reserve)

    def draw(self) -> bool:
        """Take out what one repetition costs; False if there is not enough."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def __repr__(self) -> str:
        return f"<Account {self._tokens:.1f}/{self._rule.reserve} left, {self._rule.share:.0%} of calls>"


def afford(account: Account, env: Env, operation: str) -> bool:
    """Take one repetition out of the account, or say that it is exhausted."""
    if account.draw():
        return True
    env.observe(BudgetExhausted(operation))
    return False
