"""Answers of services, and streams, as they leave: whether they have forms in other codings, and what their fields say.

A 304 names no type: it is taken for text, since a cache that is told of too many fields it depends on is right still
(RFC 9110 15.4.5). A part (206) is one of the answer as it is, and says what the whole depends on (15.3.7).
"""

import re
from collections.abc import Mapping
from typing import Final

from stagedoor._requests import Headers
from stagedoor._web.answer import WebAnswer, matches
from stagedoor._web.coding import has_coded_form, is_text
from stagedoor._web.etags import coded_etag
from stagedoor._web.routes import Route

__all__ = ["as_passed", "has_passed_forms", "is_held", "known_length"]

_TYPE: Final = b"content-type"
_OF_PART: Final = re.compile(rb"bytes [0-9]{1,18}-[0-9]{1,18}/([0-9]{1,18})")


def has_passed_forms(
    answer: WebAnswer, said: Mapping[bytes, bytes], route: Route, asked_with: Mapping[bytes, bytes]
) -> bool:
    """Tell whether an answer that is handed on has other forms.

    `said` is one of each of its fields, `asked_with` of the request's. One with a tag that nobody would know again has
    none: only a route of a service's finds the way back.
    """
    if _TYPE in said:
        if not is_text(said[_TYPE], route.compress):
            return False
    elif answer.status != 304:
        return False
    if not (answer.status == 200 or (route.foreign and answer.status in {206, 304})):
        return False
    if (b"etag" in said and not route.foreign) or (b"content-range" in said and answer.status != 206):
        return False
    secret = route.secret is not None and route.secret(asked_with)
    return has_coded_form(said, answer.headers, _size(answer, said), route.compress, secret=secret)


def _size(answer: WebAnswer, said: Mapping[bytes, bytes]) -> int | None:
    """Return the octets of the whole; None where that is not known."""
    if answer.status == 206:
        part = _OF_PART.fullmatch(said.get(b"content-range", b""))
        return None if part is None else int(part[1])
    return None if answer.status == 304 else known_length(answer, said)


def known_length(answer: WebAnswer, said: Mapping[bytes, bytes]) -> int | None:
    """Return the length of an answer's body; None for a stream that does not say it."""
    if answer.stream is None:
        return len(answer.body)
    length = said.get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 19 else None


def is_held(said: Mapping[bytes, bytes], coding: str, condition: bytes | None) -> bool:
    """Tell whether a client names the form in a coding of what a 304 is about."""
    tag = coded_etag(said.get(b"etag", b""), coding) if coding else None
    return tag is not None and condition is not None and condition.strip() != b"*" and matches(tag, condition)


def as_passed(fields: Headers, said: Mapping[bytes, bytes], route: Route) -> Headers:
    """Return the fields of an answer that has no other form: a tag that ends as ours do is told apart."""
    tag = said.get(b"etag", b"")
    if b"~" not in tag or not route.foreign:
        return fields
    return tuple(
        (name, coded_etag(text, "") or text) if name == b"etag" else (name, text) for name, text in fields
    )
