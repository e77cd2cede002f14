"""Numbers that order as the values do from which they are made."""

from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor.search.keys import packed, prior_of, rank, text_keys
from stagedoor.search.leaves import Keyword, More, Shorter, Text
from stagedoor.search.schema import Index, single

_TEXTS = st.text(max_size=40) | st.text("\0-/09:`afgz\u0451\uffff\U0001f3ac", max_size=30)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_PAIRS = st.tuples(st.none() | _NUMBERS | st.sampled_from([0.0, -0.0, 8.65, 1e39]), st.integers(0, 2**32 - 1))


@given(_NUMBERS, _NUMBERS)
@example(0.0, -0.0)
@example(5.3, 5.300000190734863)
def test_ranks_order_as_numbers_do_in_single_precision(one: float, other: float) -> None:
    """Numbers are asked for and sorted by rank: equal ones have one rank, and larger ones a larger."""
    left, right = single(one), single(other)

    assert (rank(one) < rank(other), rank(one) == rank(other)) == (left < right, left == right)
    assert 0 <= rank(one) < 0xFFFFFFFF


@given(_TEXTS, _TEXTS, st.integers(1, 3))
def test_keys_of_texts_order_as_their_code_points(one: str, other: str, numbers: int) -> None:
    """A key may be equal where texts differ, never the other way round: what it says of the order is so."""
    less, more = sorted((one, other))

    assert text_keys(less, numbers) <= text_keys(more, numbers)
    assert len(text_keys(one, numbers)) == numbers


@given(_PAIRS, _PAIRS)
def test_packed_keys_order_by_number_then_by_what_is_behind_with_null_last(
    one: tuple[float | None, int], other: tuple[float | None, int]
) -> None:
    """One comparison instead of two; equal keys are equal pairs, and null is behind the largest."""

    def upwards(pair: tuple[float | None, int]) -> tuple[bool, float, int]:
        number, behind = pair
        return number is None, 0.0 if number is None else single(number), behind

    def downwards(pair: tuple[float | None, int]) -> tuple[bool, float, int]:
        null, number, behind = upwards(pair)
        return null, -number, behind

    for order, towards in ((upwards, 0), (downwards, 1)):
        less, more = sorted((one, other), key=order)
        first, second = (
            packed(None if number is None else rank(number), behind)[towards]
            for number, behind in (less, more)
        )
        assert (first == second) == (order(less) == order(more))
        assert first <= second


def test_of_equally_long_texts_more_values_come_first_in_the_coarse_key_too() -> None:
    """T9: thousands of persons are equally relevant, with names of one length; their pages are to be found soon."""
    index = Index(
        "persons",
        (Keyword(name="id"), Text(name="name"), Keyword(name="films", many=True)),
        ties=(Shorter("name"), More(("films",))),
    )
    prior = prior_of(index)
    held = [prior({"name": "Ann", "films": ["x"] * count}) for count in (9, 4, 3, 2, 1, 0)]

    assert held == sorted(held)
    assert len({late for _, late in held}) == 5
