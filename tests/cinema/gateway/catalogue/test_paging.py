"""Links between pages."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinema.gateway.catalogue.paging import Paging, list_fields


@pytest.mark.parametrize(
    ("paging", "offsets"),
    [
        (Paging(0, 50, 0), {"first": 0}),
        (Paging(0, 50, 50), {"first": 0, "last": 0}),
        (Paging(0, 50, 51), {"first": 0, "next": 50, "last": 50}),
        (Paging(50, 50, 120), {"first": 0, "prev": 0, "next": 100, "last": 100}),
        (Paging(100, 50, 120), {"first": 0, "prev": 50, "last": 100}),
        (Paging(500, 50, 120), {"first": 0, "prev": 100, "last": 100}),
        (Paging(9950, 50, 20_000), {"first": 0, "prev": 9900, "last": 9950}),
        (Paging(9900, 70, 20_000), {"first": 0, "prev": 9830, "last": 9870}),
    ],
)
def test_links_stay_inside_the_data_and_the_window(paging: Paging, offsets: dict[str, int]) -> None:
    """A page past the data leads back to the last one; nothing points beyond the 10,000th result."""
    assert paging.offsets() == offsets


@given(st.integers(0, 9900), st.integers(1, 100), st.integers(0, 30_000))
def test_following_next_meets_every_result_once(offset: int, limit: int, total: int) -> None:
    """From the first page on, each next begins where the page before ended."""
    offsets = Paging(offset, limit, total).offsets()

    assert offsets.get("next", offset + limit) == offset + limit
    assert all(one + limit <= 10_000 for one in offsets.values())
    assert all(one < total or one == 0 for one in offsets.values())


def test_other_parameters_are_kept_and_encoded() -> None:
    """RFC 8288: the target is a URI."""
    fields = dict(
        list_fields(
            "/films", Paging(0, 50, 100), lambda offset: [("query", "a&b ё"), ("page", str(offset // 50 + 1))]
        )
    )

    assert fields[b"x-total-count"] == b"100"
    assert re.findall(rb'<([^>]+)>; rel="next"', fields[b"link"]) == [b"/films?query=a%26b%20%D1%91&page=2"]
