"""Freshness, by values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._cache.freshness import Fresh, Freshness, FreshnessRule, Miss, Stale, judge

RULE = FreshnessRule(lifetime=30.0, stale_while_revalidate=10.0, stale_if_error=60.0)


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (0.0, Fresh(30.0)),
        (29.0, Fresh(1.0)),
        (30.0, Stale(0.0, True, True)),
        (39.0, Stale(9.0, True, True)),
        (40.0, Stale(10.0, False, True)),
        (89.0, Stale(59.0, False, True)),
        (90.0, Miss()),
        (-5.0, Fresh(30.0)),
    ],
)
def test_k7_an_answer_is_judged_by_its_age(age: float, verdict: Freshness) -> None:
    """K7: each window begins where the lifetime ends and excludes its own end."""
    assert judge(1000.0, RULE, 1000.0 + age) == verdict


def test_nothing_is_a_miss() -> None:
    """What is not there is not usable."""
    assert judge(None, RULE, 1000.0) == Miss()


@given(st.floats(0.001, 100), st.floats(0, 100), st.floats(0, 100), st.floats(0, 1000), st.floats(0, 500))
def test_k7_no_answer_is_used_beyond_what_its_rule_allows(
    lifetime: float, revalidate: float, on_error: float, born: float, age: float
) -> None:
    """K7: whatever the figures, age decides."""
    rule = FreshnessRule(lifetime=lifetime, stale_while_revalidate=revalidate, stale_if_error=on_error)
    verdict = judge(born, rule, born + age)

    past = (born + age) - born - lifetime
    assert isinstance(verdict, Fresh) == (past < 0)
    if isinstance(verdict, Stale):
        assert verdict.now == (past < revalidate)
        assert verdict.on_error == (past < on_error)
    if isinstance(verdict, Miss):
        assert past >= max(revalidate, on_error)
    assert rule.keep == lifetime + max(revalidate, on_error)
