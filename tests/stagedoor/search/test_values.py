"""Single values of parameters, at their edges."""

from contextlib import suppress
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._parameters import Invalid
from stagedoor.search.values import (
    HUGE,
    BooleanValue,
    ChoiceValue,
    DateValue,
    IntegerValue,
    Kind,
    NumberValue,
    TextValue,
    UuidValue,
    parameter_of,
)
from tests.growth import QUADRATIC, growth

KINDS: list[Kind[object]] = [
    IntegerValue(least=0, greatest=100),
    NumberValue(least=0),
    TextValue(min_length=1, blank=False),
    UuidValue(),
]


@pytest.mark.parametrize("kind", [*KINDS, BooleanValue(), ChoiceValue(("a",)), DateValue()], ids=repr)
def test_a_fault_is_told_where_the_value_stood(kind: Kind[object]) -> None:
    """A date in a path is wrong in the path, not in the query."""
    with pytest.raises(Invalid) as refused:
        kind.read("value", "\0", "path")

    assert [one.loc for one in refused.value.faults] == [("path", "value")]


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("piece", ["0", "9", "1e", ".1", "-", "+1", "3d8d9bf5-", " ", "\u0661", "\0", "ё"])
def test_t10_hostile_values_cost_linear_time(kind: Kind[object], piece: str) -> None:
    """T10: 50 kB that nearly fit."""

    def read(length: int) -> None:
        raw = piece * (length // len(piece))
        for text in (raw, raw + "x"):
            with suppress(Invalid):
                kind.read("value", text)

    assert growth(read, 12_500) < QUADRATIC


@pytest.mark.parametrize(
    ("raw", "value"),
    [("0", 0), ("-0", 0), ("007", 7), ("0" * 5_000 + "7", 7), ("9" * 5_000, HUGE), ("1" + "0" * 18, HUGE)],
)
def test_t9_integers_of_any_length_are_read_without_converting_them(raw: str, value: int) -> None:
    """T9: what counts further than anything is one huge number; zeros in front say nothing."""
    assert IntegerValue().read("value", raw) == value


@pytest.mark.parametrize("raw", ["", "+1", "1.0", "1e3", " 1", "1_0", "0x1", "\u0661", "\u00b2", "1\n", "-"])
def test_t9_what_is_no_integer_is_refused(raw: str) -> None:
    """T9: Python would read some of these."""
    with pytest.raises(Invalid):
        IntegerValue().read("value", raw)


@pytest.mark.parametrize(
    "raw", ["", "nan", "inf", "-inf", "1e400", "1_0", "0x1p3", "\u0661", "1 ", "1\n", "."]
)
def test_t9_what_is_no_finite_number_is_refused(raw: str) -> None:
    """Contract 1.2: NaN and infinity are 422, in whatever words."""
    with pytest.raises(Invalid):
        NumberValue().read("value", raw)


@given(st.floats(0, 1e300))
def test_a_number_is_read_as_it_is_written(number: float) -> None:
    """In every form that Python writes."""
    assert NumberValue(least=0).read("value", repr(number)) == number


@pytest.mark.parametrize("place", ["path", "query"])
def test_a_wrong_value_names_where_it_stands(place: Literal["path", "query"]) -> None:
    """One kind serves the paths of routes and the filters of lists alike."""
    known = parameter_of(
        UuidValue(example="3d8d9bf5-0d90-4353-88ba-4ccc5d2c0700"), "id", "Its id", place=place
    )

    with pytest.raises(Invalid) as caught:
        known.parse("1")

    (fault,) = caught.value.faults
    assert (fault.loc, fault.type) == ((place, "id"), "uuid")
    assert fault.msg.endswith(str(known.example))
