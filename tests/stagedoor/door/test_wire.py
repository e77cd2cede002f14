"""Heads of answers: what is written, and what never leaves."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._door.wire import FieldNames, head_of

NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
NAMES: Final = st.sampled_from([b"vary", b"Vary", b"x-a", b"", b"a b", b"a:", b"a\r\n", b"\xe4"]) | st.binary(
    max_size=4
)
VALUES: Final = st.sampled_from(
    [b"", b"a\tb", b"a\r\nb: c", b"\r", b"\n", b"a\0", b"\x7f", b"\xff"]
) | st.binary(max_size=6)


def is_field(field: tuple[bytes, bytes]) -> bool:
    return NAME.fullmatch(field[0]) is not None and VALUE.fullmatch(field[1]) is not None


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_t2_what_is_no_field_never_leaves(fields: list[tuple[bytes, bytes]]) -> None:
    """T2: one line for each field, by the grammar of RFC 9110 5.1 and 5.5, whichever names were seen before."""
    if all(map(is_field, fields)):
        lines = b"".join(b"%b: %b\r\n" % field for field in fields)
        assert head_of(204, fields) == b"HTTP/1.1 204 No Content\r\n" + lines
    else:
        with pytest.raises(ValueError, match="no field may hold"):
            head_of(204, fields)


def test_only_names_in_lower_case_are_known() -> None:
    """Who sees that names are known lowers none of them."""
    names = FieldNames()
    names.check([b"x-known", b"X-Other"])

    assert names.are_known([b"x-known"])
    assert not names.are_known([b"x-known", b"X-Other"])
    assert not names.are_known([b"x-other"])


def test_the_names_of_services_fill_no_memory() -> None:
    """A proxy passes on what services call their fields: some are remembered, and all are looked at."""
    names = FieldNames()
    many = [b"x-%d-%b" % (number, b"x" * (number % 2 * 64)) for number in range(3_000)]
    names.check(many)

    known = [name for name in many if names.are_known([name])]
    assert (len(known), max(map(len, known))) == (1_024, len(b"x-2046-"))
    with pytest.raises(ValueError, match="no field may hold"):
        names.check([b"x y"])
