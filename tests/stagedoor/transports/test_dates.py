"""Dates of HTTP: three forms, and nothing else."""

from datetime import UTC, datetime
from email.utils import format_datetime
from time import asctime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._transports.dates import http_date

WALL = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC).timestamp()
MOMENT = 784_111_777.0  # the example of RFC 9110


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 06 nov 1994 08:49:37 gmt",
        "SUNDAY, 06-NOV-94 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_c3_three_forms_name_one_moment(text: str) -> None:
    """U3: RFC 9110 5.6.7; case and day are not what it hangs on (RFC 9111 4.2)."""
    assert http_date(text, WALL) == MOMENT


@given(st.integers(200_000_000, 3_300_000_000))
def test_c3_each_form_says_what_was_written(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    forms = (
        format_datetime(moment, usegmt=True),
        f"{moment:%A, %d-%b-%y %H:%M:%S GMT}",
        asctime(moment.timetuple()),
    )

    assert [http_date(text, WALL) for text in forms] == [seconds] * 3


@pytest.mark.parametrize(
    ("wall", "text", "year"),
    [
        ((2026, 1, 5), "Monday, 05-Jan-76 00:00:00 GMT", 2076),
        ((2026, 1, 5), "Monday, 05-Jan-76 00:00:01 GMT", 1976),
        ((2026, 1, 5), "Tuesday, 06-Jan-76 00:00:00 GMT", 1976),
        ((2026, 1, 5), "Sunday, 31-Dec-99 23:59:59 GMT", 1999),
        ((2026, 1, 5), "Saturday, 01-Jan-00 00:00:00 GMT", 2000),
        ((2099, 12, 31), "Friday, 01-Jan-00 00:00:00 GMT", 2100),
        ((2000, 2, 29), "Monday, 28-Feb-50 00:00:00 GMT", 2050),
        ((1999, 12, 31), "Friday, 01-Jan-49 00:00:00 GMT", 2049),
        ((1999, 12, 31), "Friday, 01-Jan-50 00:00:00 GMT", 1950),
    ],
)
def test_c3_two_digits_are_never_more_than_50_years_ahead(
    wall: tuple[int, int, int], text: str, year: int
) -> None:
    """U3: RFC 9110 5.6.7; otherwise it is the most recent year in the past with these digits."""
    moment = http_date(text, datetime(*wall, tzinfo=UTC).timestamp())

    assert moment is not None
    assert datetime.fromtimestamp(moment, UTC).year == year


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "soon",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994  08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun-day, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
    ],
)
def test_hc3_anything_else_is_no_date(text: str) -> None:
    """HC3: what another zone or order means would be a guess."""
    assert http_date(text, WALL) is None


def test_c3_a_leap_second_is_the_next_one() -> None:
    assert http_date("Sat, 31 Dec 2016 23:59:60 GMT", WALL) == 1_483_228_800.0


@given(st.text(max_size=40))
def test_c3_junk_never_raises(text: str) -> None:
    http_date(text, WALL)
