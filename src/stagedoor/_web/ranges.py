"""Conditions and ranges: which part of something with an entity tag a request is answered with (RFC 9110 13, 14)."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from stagedoor._value import value
from stagedoor._web.answer import matches

__all__ = ["Selected", "content_range", "selected"]

# One range of octets; several at once are left unanswered as such, which 14.2 allows.
_RANGE: Final = re.compile(rb"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.ASCII | re.IGNORECASE)
_DIGITS: Final = 18  # more than any length has


@value()
class Selected:
    """What is answered: the status, where the octets begin, and how many there are."""

    status: Literal[200, 206, 304, 412, 416]
    first: int = 0
    size: int = 0


def selected(headers: Mapping[bytes, bytes], etag: bytes, length: int, *, method: str = "GET") -> Selected:
    """Decide by a strong entity tag and a length; in the order of 13.2.2.

    `headers` are by lower-case name. What has no date knows no conditions by date: an `If-Range` with one fails.
    """
    if_match = headers.get(b"if-match")
    if if_match is not None and not matches(etag, if_match, weakly=False):
        return Selected(412)
    if_none_match = headers.get(b"if-none-match")
    if if_none_match is not None and matches(etag, if_none_match):
        return Selected(304)
    said = headers.get(b"range")
    # 14.2: of methods, ranges are for GET alone.
    if said is None or method != "GET" or headers.get(b"if-range", etag).strip() != etag:
        return Selected(200, 0, length)
    return _of_range(said, length)


def _of_range(said: bytes, length: int) -> Selected:
    whole = Selected(200, 0, length)
    found = _RANGE.fullmatch(said.strip())
    if found is None:
        return whole
    first, last = (_figure(group) for group in found.groups())
    if first is None:
        if last is None:
            return whole
        size = min(last, length)  # the last so many
        return Selected(206, length - size, size) if size else Selected(416)
    if last is not None and last < first:
        return whole
    if first >= length:
        return Selected(416)
    end = length if last is None else min(last + 1, length)
    return Selected(206, first, end - first)


def _figure(digits: bytes) -> int | None:
    if not digits:
        return None
    bare = digits.lstrip(b"0") or b"0"
    return 10**_DIGITS if len(bare) > _DIGITS else int(bare)


def content_range(part: Selected, length: int) -> bytes:
    """Return the value of `Content-Range` for a part (14.4)."""
    return b"bytes %d-%d/%d" % (part.first, part.first + part.size - 1, length)
