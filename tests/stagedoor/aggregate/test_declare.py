"""What a declaration refuses on the spot."""

from dataclasses import dataclass

import pytest

from stagedoor.aggregate import ABSENT, Aggregate
from stagedoor.aggregate.part import Part
from stagedoor.errors import ConfigError


@dataclass
class Page:
    head: int


async def head() -> int:
    return 1


def told() -> int:
    return 1


async def waits() -> int:
    return 1


def test_a_decorated_function_stays_what_it_was() -> None:
    """It is called in tests like any other function."""
    page = Aggregate(Page, budget=0.1)

    assert page.part(required=True)(head) is head
    assert page.summary(told) is told


def test_the_name_is_the_models_unless_given() -> None:
    """It is what metrics and headers say."""
    assert Aggregate(Page, budget=0.1).name == "page"
    assert Aggregate(Page, budget=0.1, name="start").name == "start"


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_is_above_nothing(budget: float) -> None:
    """Seconds; not a number is none."""
    with pytest.raises(ConfigError, match="budget"):
        Aggregate(Page, budget=budget)


@pytest.mark.parametrize("limit", [0, -1, 0.2, float("nan")])
def test_d3_a_limit_is_inside_the_budget(limit: float) -> None:
    """D3: a part cannot have longer than all of them."""
    with pytest.raises(ConfigError, match="limit"):
        Aggregate(Page, budget=0.1).part(limit=limit)(head)


def test_a_part_is_an_async_def_and_a_summary_is_none() -> None:
    """A part waits for the world; a summary for nothing."""
    page = Aggregate(Page, budget=0.1)

    with pytest.raises(ConfigError, match="async def"):
        page.part(required=True)(told)  # type: ignore[type-var]
    with pytest.raises(ConfigError, match="plain def"):
        page.summary(waits)


def test_there_is_one_summary() -> None:
    """A second one has nothing to fill."""
    page = Aggregate(Page, budget=0.1)
    page.summary(told)

    with pytest.raises(ConfigError, match="told is the summary already"):
        page.summary(told)


def test_absent_says_what_it_is() -> None:
    """It stands in the representation of a part without a fallback."""
    assert "fallback=ABSENT" in repr(Part(name="head", call=head))
    assert repr(ABSENT) == "ABSENT"
