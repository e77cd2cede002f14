"""Links between pages."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinema.gateway.catalogue.paging import Paging, Pairs, Part, links


@pytest.mark.parametrize(
    ("paging", "parts"),
    [
        (Paging(0, 50, 0), {"first": (0, 50)}),
        (Paging(0, 50, 50), {"first": (0, 50), "last": (0, 50)}),
        (Paging(0, 50, 51), {"first": (0, 50), "next": (50, 50), "last": (50, 50)}),
        (Paging(50, 50, 120), {"first": (0, 50), "prev": (0, 50), "next": (100, 50), "last": (100, 50)}),
        (Paging(100, 50, 120), {"first": (0, 50), "prev": (50, 50), "last": (100, 50)}),
        (Paging(3, 5, 9), {"first": (0, 5), "prev": (0, 3), "next": (8, 5), "last": (5, 5)}),
        (Paging(110, 50, 120), {"first": (0, 50), "prev": (100, 10), "last": (100, 50)}),
        (Paging(500, 50, 120), {"first": (0, 50), "prev": (100, 50), "last": (100, 50)}),
        (Paging(9950, 50, 20_000), {"first": (0, 50), "prev": (9900, 50), "last": (9950, 50)}),
        (Paging(9900, 70, 20_000), {"first": (0, 70), "prev": (9870, 30), "last": (9870, 70)}),
    ],
)
def test_links_stay_inside_the_data_and_the_window(paging: Paging, parts: dict[str, Part]) -> None:
    """A page past the data leads back to the last one; nothing points beyond the 10,000th result."""
    assert paging.parts() == parts


@given(st.integers(0, 9900), st.integers(1, 100), st.integers(0, 30_000))
def test_neighbours_touch_and_do_not_overlap(offset: int, limit: int, total: int) -> None:
    """Inside the data `next` begins where the page ends, and `prev` ends where it begins."""
    parts = Paging(offset, limit, total).parts()

    assert parts.get("next", (offset + limit, limit)) == (offset + limit, limit)
    if 0 < offset < total:
        assert sum(parts["prev"]) == offset
    assert all(begin + size <= 10_000 and 1 <= size <= limit for begin, size in parts.values())
    assert all(begin < total or begin == 0 for begin, _ in parts.values())


@given(st.integers(0, 300), st.integers(1, 100), st.integers(0, 300))
def test_following_prev_meets_every_result_before_once(offset: int, limit: int, total: int) -> None:
    """From any page on, back to the first result."""
    met, at = [], Paging(min(offset, total), limit, total)
    while back := at.parts().get("prev"):
        met += [*reversed(range(back[0], sum(back)))]
        at = Paging(*back, total)

    assert met == [*reversed(range(min(offset, total)))]


def page(offset: int, limit: int) -> Pairs:
    return [("page", str(offset // limit + 1))]


def test_other_parameters_are_kept_and_encoded() -> None:
    """RFC 8288: the target is a URI."""
    ((name, link),) = links("/films", [("query", "a&b ё")], Paging(0, 50, 100), page)

    assert name == b"link"
    assert re.findall(rb'<([^>]+)>; rel="next"', link) == [b"/films?query=a%26b%20%D1%91&page=2"]


def test_links_that_clients_could_not_read_are_left_out() -> None:
    """Five hundred ids are 20 kB to a link, and clients refuse a field of 8 kB: the neighbours come first."""
    ids = [("ids", "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff")]
    ((_, some),) = links("/films", ids * 70, Paging(50, 50, 500), page)

    assert re.findall(rb'rel="(\w+)"', some) == [b"next", b"prev"]
    assert len(some) < 8_000
    assert links("/films", ids * 500, Paging(50, 50, 500), page) == ()
