"""`make stack` says that it is healthy when it stays so."""

import pytest

from scripts.whole.ready import Patience


def test_it_is_healthy_when_no_worker_has_found_fault_for_a_while() -> None:
    """Issue 15.4: each of two workers keeps its answer for two seconds, and either may be asked next."""
    patience = Patience(0.0)
    over = []
    for now, missing in (
        (1.0, "search"),
        (1.2, ""),
        (2.9, ""),
        (3.1, "search"),
        (3.3, ""),
        (6.0, ""),
        (6.2, ""),
        (6.4, ""),
    ):
        patience.hear(now, missing)
        over.append(patience.is_over(now))

    assert over == [None] * 7 + [True]


def test_time_in_which_nothing_was_heard_makes_nothing_well() -> None:
    """Issue 15.4: a line that waits for its reader, or a slow answer, is no proof that an index has been built."""
    patience = Patience(0.0)
    patience.hear(1.0, "search")
    silence = patience.is_over(9.0)
    patience.hear(9.1, "")

    assert silence is None
    assert patience.is_over(9.2) is None


def test_what_is_missing_is_told_once_until_it_is_another() -> None:
    """Issue 15.4: minutes without a word look like a hang."""
    patience = Patience(0.0)
    said = [patience.hear(float(now), one) for now, one in enumerate(["a", "a", "", "a", "a, b", "b", "b"])]

    assert said == ["waiting for a", None, None, None, "waiting for a, b", "waiting for b", None]


@pytest.mark.parametrize(("now", "over"), [(299.0, None), (1799.0, None), (1800.0, False)])
def test_200_000_films_have_the_time_that_they_need(now: float, over: bool | None) -> None:
    """Issue 15.4: three minutes were too few for the first index; yet what never comes is given up."""
    patience = Patience(0.0)
    patience.hear(now, "search")

    assert patience.is_over(now) is over
