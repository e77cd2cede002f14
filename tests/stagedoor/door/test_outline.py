"""What the outline of a head is, and that a head that was judged speaks for all of its outline."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._door.limits import DoorLimits
from stagedoor._door.outline import outline_of
from stagedoor._door.reader import Head
from tests.growth import QUADRATIC, growth
from tests.stagedoor.door.test_reader import verdict

LIMITS = DoorLimits(header_bytes=160, header_fields=5)
NAMES = frozenset({b"accept-encoding", b"stagedoor-*"})
LINE = b"GET /a?b=1 HTTP/1.1\r\n"
HOST, END = b"Host: a\r\n", b"\r\n"
# Each alone, and several together, after a request line.
LINES = [
    *(HOST, b"host:b\r\n", b"HOST: a\r\n", b"Host : a\r\n", b"Host: a/b\r\n", b"Content-Length: 0\r\n"),
    *(
        b"content-LENGTH: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
    ),
    *(
        b"X-Request-ID: 1\r\n",
        b"X-Request-ID: 2\r\n",
        b"Cookie: a=1\r\n",
        b"X:\r\n",
        b"X: a\r\n b\r\n",
        b"X: a\rHost: b\r\n",
    ),
    *(
        b"Bad_Name: 1\r\n",
        b"Bad : 1\r\n",
        b": 1\r\n",
        b"X: \0\r\n",
        b"X: a\nHost: b\r\n",
        b"Transfer_Encoding: chunked\r\n",
    ),
    *(
        b"\r\n",
        b"X" * 100 + b": 1\r\n",
        b"X: " + b"y" * 150 + b"\r\n",
        b"Accept-Encoding: gzip\r\n",
        b"X-Host: b\r\n",
    ),
]


def test_only_lines_that_decide_are_in_it() -> None:
    """Issue 17: ids, addresses and cookies are another's, the request is the same."""
    data = (
        LINE
        + b"X-Request-ID: 1\r\nhOST: a\r\nCookie: a\r\naccept-ENCODING: gzip\r\nStagedoor-A: 2\r\nX-Host: b\r\n\r\n"
    )

    assert outline_of(data, DoorLimits(), NAMES) == (
        LINE + b"\r\nhOST: a\r\naccept-ENCODING: gzip\r\nStagedoor-A: 2"
    )


def test_a_name_may_hold_whatever_a_token_holds() -> None:
    """RFC 9110 5.6.2: a mark in a name is no pattern."""
    data = LINE + HOST + b"A+B.c|D$: 1\r\nA+B-c|D$: 2\r\n\r\n"

    assert outline_of(data, DoorLimits(), frozenset({b"a+b.c|d$"})) == LINE + b"\r\nHost: a\r\nA+B.c|D$: 1"


@pytest.mark.parametrize(
    "data",
    [
        *(LINE + HOST, LINE, b"", b"GET", LINE + HOST + b"\r\nx", LINE + HOST + b"\r\n\r\n"),
        *(
            LINE + HOST + b"Bad_Name: 1\r\n\r\n",
            LINE + HOST + b"X: a\r\n b\r\n\r\n",
            LINE + b"Host : a\r\n\r\n",
        ),
        *(LINE + b"X: y\r\n" * 6 + b"\r\n", LINE + b"X: " + b"y" * 160 + b"\r\n\r\n"),
    ],
)
def test_what_is_in_doubt_has_none(data: bytes) -> None:
    """H7, T3, T13: not whole, not alone, not good, too many, too long: it is read."""
    assert outline_of(data, LIMITS, NAMES) is None


@given(st.lists(st.sampled_from(LINES), max_size=6), st.lists(st.sampled_from(LINES), max_size=6))
def test_heads_of_one_outline_meet_one_judgement(one: list[bytes], other: list[bytes]) -> None:
    """H7, A4: what was judged once may stand for another only if that would be judged alike."""
    heads = [LINE + b"".join(lines) + b"\r\n" for lines in (one, other)]
    outlines = [outline_of(head, LIMITS, NAMES) for head in heads]
    if outlines[0] is None or outlines[0] != outlines[1]:
        return

    told = [verdict(head, limits=LIMITS) for head in heads]

    (requests, problem, *rest, _), (others, its, *its_rest, _) = told
    assert (problem, rest) == (its, its_rest)
    assert [_without_fields(each[0]) for each in requests] == [_without_fields(each[0]) for each in others]


def _without_fields(head: Head) -> Head:
    return replace(head, fields=[], size=0)


@pytest.mark.parametrize("piece", [b"Hos: a\r\n", b"Accept-Encodinx: a\r\n", b"Host:" + b"y" * 50 + b"\r\n"])
def test_no_head_costs_more_than_its_octets(piece: bytes) -> None:
    """T13: neither many lines that nearly decide, nor many that do."""
    wide = DoorLimits(header_bytes=10_000_000, header_fields=10_000_000)

    assert growth(lambda times: outline_of(LINE + piece * times + END, wide, NAMES), 2_000) < QUADRATIC
