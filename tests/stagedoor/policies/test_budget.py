"""The budget's account, by values: load is counted in calls, so no clock appears."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._call import Env
from stagedoor._events import BudgetExhausted
from stagedoor.errors import ConfigError
from stagedoor.policies._budget import Account, Budget, afford
from stagedoor.testing import Events


def repeats(account: Account, failing: list[bool]) -> int:
    """Play calls, each of which wants one repetition if it fails; return how many were granted."""
    granted = 0
    for failed in failing:
        account.earn()
        granted += failed and account.draw()
    return granted


def test_r4_of_ten_thousand_failing_calls_a_fifth_is_repeated_reserve_included() -> None:
    """R4: the upstream sees at most 12,000 calls, and the share is used nearly whole."""
    granted = repeats(Budget(share=0.2).account(), [True] * 10_000)

    assert 1_800 <= granted <= 2_000


def test_r4_a_long_calm_saves_nothing_up() -> None:
    """R4: after a million good calls an outage still costs no more than the share."""
    account = Budget(share=0.2).account()
    repeats(account, [False] * 1_000_000)

    assert repeats(account, [True] * 10_000) <= 2_000


@pytest.mark.parametrize("seed", range(5))
def test_r4_at_one_per_cent_every_failure_is_repeated(seed: int) -> None:
    """R4: a budget must not be felt on an ordinary day."""
    rng = random.Random(seed)
    failing = [rng.random() < 0.01 for _ in range(10_000)]

    assert repeats(Budget().account(), failing) == sum(failing)


def test_r4_a_quiet_upstream_may_be_asked_again() -> None:
    """R4: the reserve is there from the first call on."""
    assert repeats(Budget(reserve=10).account(), [True] * 10) == 10


@given(
    share=st.floats(0.01, 1),
    reserve=st.integers(1, 20),
    slack=st.integers(1, 200),
    failing=st.lists(st.booleans(), max_size=300),
    start=st.integers(0, 100),
)
def test_r4_over_any_longer_stretch_the_reserve_stays_inside_the_share(
    share: float, reserve: int, slack: int, failing: list[bool], start: int
) -> None:
    """R4: however calls went before, over `stretch` calls no more than the share is repeated."""
    rule = Budget(share=share, reserve=reserve, stretch=int(reserve / share) + slack)
    account = rule.account()
    repeats(account, [True] * start)
    granted = repeats(account, (failing + [True] * rule.stretch)[: rule.stretch])

    assert granted <= share * rule.stretch + 1e-6


def test_holders_of_one_account_pay_in_together_what_one_would() -> None:
    """A retry and a hedge of one upstream share a budget: both see each call, and both draw."""
    shared = Account(Budget(share=0.2))
    retry, hedge = shared.account(), shared.account()
    granted = 0
    for _ in range(10_000):
        retry.earn()
        hedge.earn()
        granted += retry.draw() + hedge.draw()

    assert retry is hedge
    assert 1_800 <= granted <= 2_000


def test_each_upstream_has_an_account_of_its_own() -> None:
    """An outage of one upstream must not take the retries of another."""
    rule = Budget(reserve=1)
    first, second = rule.account(), rule.account()
    first.draw()

    assert (first.draw(), second.draw()) == (False, True)


def test_r4_an_exhausted_budget_is_an_event(env: Env, events: Events) -> None:
    """R4: silence about a dropped retry would look like an upstream that got worse."""
    account = Budget(reserve=1).account()
    granted = [afford(account, env, "users.get") for _ in range(2)]

    assert granted == [True, False]
    assert events == [BudgetExhausted("users.get")]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"share": 0.0}, "share"),
        ({"share": 1.5}, "share"),
        ({"reserve": 0}, "reserve"),
        ({"share": 0.01, "reserve": 10, "stretch": 1000}, "stretch"),
    ],
)
def test_a_budget_that_cannot_keep_its_share_is_refused(options: dict[str, float], field: str) -> None:
    """The error names the field and what would be right."""
    with pytest.raises(ConfigError, match=rf"Budget\({field}="):
        Budget(**options)  # type: ignore[arg-type]


def test_an_account_shows_what_is_left() -> None:
    """State is visible."""
    account = Budget(share=0.1, reserve=4).account()
    account.draw()

    assert repr(account) == "<Account 3.0/4 left, 10% of calls>"


def test_an_account_tells_its_share() -> None:
    """Whoever computes the largest amplification asks for it, of a rule or of an open account alike."""
    rule = Budget(share=0.1)

    assert rule.account().share == rule.share == 0.1
