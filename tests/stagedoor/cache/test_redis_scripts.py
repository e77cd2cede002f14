"""What is believed of the answers of scripts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._cache.redis_scripts import invalidations_of
from stagedoor._cache.server import Invalidations, StoreDown

NOW = 1_767_607_200  # seconds
MARK = b"1767607200000001"


def answer(number: object = MARK, seconds: object = b"%d" % NOW, purges: object = ()) -> list[Any]:
    return [number, seconds, b"5", list(purges) if isinstance(purges, tuple) else purges]


def test_an_answer_of_ours_is_believed() -> None:
    """The ordinary case, with what a shop of Redis makes of large scores."""
    found = invalidations_of(answer(purges=(b"#films", MARK, b"", b"1.7676072e+15", b"=k", b"5.5")), 0)

    assert found == Invalidations(
        int(MARK), NOW * 1_000_000 + 5, [(b"#films", int(MARK)), (b"", 1767607200000000), (b"=k", 6)]
    )


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"OK",
        7,
        [],
        [MARK, b"1", b"5"],
        answer(b"inf"),
        answer(b"-inf"),
        answer(b"nan"),
        answer(b"-1"),
        answer(b"1e300"),
        answer(b"9007199254740993"),
        answer(b"9" * 5000),
        answer(b""),
        answer(None),
        answer([]),
        answer(float("inf")),
        answer(RuntimeError("a nested error")),
        answer(seconds=b"x"),
        answer(seconds=b"99999999999999"),
        answer(seconds=b"-5"),
        answer(purges=(b"odd",)),
        answer(purges=(b"#films", b"inf")),
        answer(purges=(b"#films", b"nan")),
        answer(purges=([b"#films"], MARK)),
        answer(purges=(None, MARK)),
        answer(purges=b"#films"),
        answer(purges={b"#films": MARK}),
    ],
    ids=lambda reply: repr(reply)[:40],
)
def test_f1_any_other_answer_is_an_outage(reply: object) -> None:
    """F1: nothing read from a shared store is trusted; what cannot be raises the one error that is foreseen."""
    with pytest.raises(StoreDown):
        invalidations_of(reply, 0)


def test_f1_a_clock_that_went_back_is_believed() -> None:
    """K3: numbers go on rising from what was heard, whatever the server's clock says."""
    assert invalidations_of(answer(seconds=b"5"), int(MARK)).number == int(MARK)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=20) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6),
)


@given(reply=anything | st.lists(anything, min_size=4, max_size=6))
def test_f1_whatever_comes_is_news_or_an_outage(reply: object) -> None:
    """F1: there is no third way out."""
    try:
        invalidations = invalidations_of(reply, 0)
    except StoreDown:
        return
    assert 0 <= invalidations.number < 2**64  # fits into the head of an entry
    assert 0 <= invalidations.clock <= 2**53
