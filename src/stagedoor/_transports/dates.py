"""Dates of HTTP, in the three forms that everybody must read (RFC 9110 5.6.7). Pure: text and `wall` in, a moment out.

    Sun, 06 Nov 1994 08:49:37 GMT     what is written today
    Sunday, 06-Nov-94 08:49:37 GMT    RFC 850: two digits of a year
    Sun Nov  6 08:49:37 1994          asctime, in UTC

Anything else is no date: what is meant by another zone or order would be a guess. Letters count in either case, as
RFC 9111 4.2 asks of caches; whether the name of the day fits is nobody's business.
"""

import re
from calendar import timegm
from datetime import UTC, datetime

__all__ = ["http_date"]

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_MONTH, _TIME = f"(?P<month>{'|'.join(_MONTHS)})", r"(?P<time>\d\d:\d\d:\d\d)"
_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"{_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>\d\d| \d) {_TIME} (?P<year>\d{{4}})",
    )
)


def http_date(text: str, wall: float) -> float | None:
    """Return the moment that a date names, in seconds since 1970; None if it is none. `wall` is the time of day."""
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            day, month, year = int(found["day"]), _MONTHS[found["month"].lower()], int(found["year"])
            hour, minute, second = map(int, found["time"].split(":"))
            if len(found["year"]) == 2:
                year = _full_year(year, (month, day, hour, minute, second), wall)
            return _moment(year, month, day, hour, minute, second)
    return None


def _full_year(digits: int, rest: tuple[int, ...], wall: float) -> int:
    """Return the latest year of these digits in which the date is not more than 50 years ahead (RFC 9110 5.6.7)."""
    now = datetime.fromtimestamp(wall, UTC)
    year = now.year // 100 * 100 + 100 + digits
    while (year, *rest) > (now.year + 50, *now.timetuple()[1:6]):
        year -= 100
    return year


def _moment(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second, which is the next one to us
        return None
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    return float(timegm(midnight.timetuple()) + hour * 3600 + minute * 60 + second)
