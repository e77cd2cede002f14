"""When a result of the profile comparison must not be compared."""

import pytest

from bench.compare import Plan, Result, Run
from bench.load import Load
from bench.profile.__main__ import unfit


def result(*, calls: int, errors: int = 0) -> Result:
    return Result("ours", [Run(Load(1000, 8.0, 0.01, 0.02, errors, 0), 0.3, 2**20, calls)])


@pytest.mark.parametrize("calls", [3000, 3000 + 3 * 64])
def test_g11_three_calls_an_answer_compare(calls: int) -> None:
    """Requests under way when the round ended were paid for and not answered: at most one a connection."""
    assert unfit(result(calls=calls), Plan(connections=64)) == []


@pytest.mark.parametrize("calls", [2999, 3001 + 3 * 64])
def test_g11_saved_or_repeated_calls_do_not_compare(calls: int) -> None:
    """G11: who joins, caches or gives up calls does less work; who retries does more."""
    assert unfit(result(calls=calls), Plan(connections=64)) == [
        f"ours: {calls} upstream calls for 1000 answers of 3 each"
    ]


def test_errors_do_not_compare() -> None:
    """An error costs less than an answer."""
    assert unfit(result(calls=3000, errors=2), Plan()) == ["ours: 2 errors under load"]
