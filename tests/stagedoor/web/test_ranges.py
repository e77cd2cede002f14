"""Conditions and ranges (RFC 9110 13 and 14)."""

from typing import Any

import pytest

from stagedoor._web.ranges import Selected, content_range, selected

TAG = b'"a"'


def asked(length: int = 10, method: str = "GET", **fields: str) -> tuple[int, int, int]:
    headers = {name.replace("_", "-").encode(): said.encode() for name, said in fields.items()}
    found = selected(headers, TAG, length, method=method)
    return found.status, found.first, found.size


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("bytes=0-3", (206, 0, 4)),
        ("bytes=0-", (206, 0, 10)),
        ("bytes=9-", (206, 9, 1)),
        ("bytes=4-4", (206, 4, 1)),
        ("bytes=4-99", (206, 4, 6)),
        ("bytes=-3", (206, 7, 3)),
        ("bytes=-99", (206, 0, 10)),
        ("BYTES=0-0", (206, 0, 1)),
        ("bytes= 000-003 ", (206, 0, 4)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=10-", (416, 0, 0)),
        ("bytes=" + "9" * 5_000 + "-", (416, 0, 0)),
        ("bytes=0-" + "9" * 5_000, (206, 0, 10)),
        ("bytes=3-2", (200, 0, 10)),
        ("bytes=-", (200, 0, 10)),
        ("bytes=0-1,3-4", (200, 0, 10)),
        ("bytes=a-b", (200, 0, 10)),
        ("bytes=0-\u0663", (200, 0, 10)),
        ("lines=0-3", (200, 0, 10)),
        ("", (200, 0, 10)),
    ],
)
def test_one_range_of_octets_is_answered_all_else_ignored(said: str, found: tuple[int, int, int]) -> None:
    """RFC 9110 14.1.2 and 14.2: what is invalid is no range; several at once need not be answered."""
    assert asked(range=said) == found


def test_nothing_has_no_part() -> None:
    """RFC 9110 14.1.2: a range of something empty cannot be."""
    assert asked(0, range="bytes=0-") == (416, 0, 0)
    assert asked(0, range="bytes=-1") == (416, 0, 0)


def test_ranges_are_for_get() -> None:
    """RFC 9110 14.2."""
    assert asked(method="HEAD", range="bytes=0-3") == (200, 0, 10)


@pytest.mark.parametrize(
    ("said", "status"),
    [(TAG.decode(), 206), ('"b"', 200), ('W/"a"', 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)],
)
def test_a_range_of_something_else_is_answered_whole(said: str, status: int) -> None:
    """RFC 9110 13.1.5: compared strongly."""
    assert asked(range="bytes=0-3", if_range=said)[0] == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"if_none_match": '"a"'}, 304),
        ({"if_none_match": '"b", W/"a"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"b"'}, 200),
        ({"if_match": '"a"'}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": '"b", "a"'}, 200),
        ({"if_match": 'W/"a"'}, 412),
        ({"if_match": '"b"'}, 412),
        ({"if_match": '"b"', "if_none_match": '"a"'}, 412),
        ({"if_none_match": '"a"', "range": "bytes=0-3"}, 304),
    ],
)
def test_conditions_come_before_ranges(fields: dict[str, Any], status: int) -> None:
    """RFC 9110 13.2.2: If-Match strongly, If-None-Match weakly, then the range."""
    assert asked(**fields)[0] == status


@pytest.mark.parametrize("tag", ['"a,b"', '","', '"a, b"', '""'])
def test_a_tag_may_hold_a_comma(tag: str) -> None:
    """RFC 9110 8.8.3: it is no end of a member; the service behind chooses its tags."""
    lists = [tag, f'"x", {tag}', f'W/"y" ,{tag},"z"', f'"x",W/{tag}']
    weak = [selected({b"if-none-match": one.encode()}, tag.encode(), 10).status for one in lists]
    strong = [selected({b"if-match": one.encode()}, tag.encode(), 10).status for one in lists]
    others = [selected({b"if-none-match": one}, tag.encode(), 10).status for one in (b'"a', b'b"', b"a,b")]

    assert (weak, strong, others) == ([304] * 4, [200, 200, 200, 412], [200] * 3)


def test_a_part_says_where_it_lies() -> None:
    """RFC 9110 14.4."""
    assert content_range(Selected(206, 4, 6), 10) == b"bytes 4-9/10"
