"""What a handler returns, and how it is written: one head, one body, the same bytes each time."""

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import field

import orjson

from stagedoor._cache.kept import Kept
from stagedoor._cache.store import StoredEntry
from stagedoor._context import Record
from stagedoor._requests import Headers
from stagedoor._value import value

__all__ = [
    "Repeat",
    "WebAnswer",
    "conditional",
    "etag_of",
    "html",
    "is_another",
    "json",
    "matches",
    "repeat_of",
    "resolved",
    "without_body",
]

_JSON: Headers = ((b"content-type", b"application/json"),)
_HTML: Headers = ((b"content-type", b"text/html; charset=utf-8"),)
_TAGS = re.compile(rb'(W/)?("[^"]*")')  # a comma may stand in a tag (RFC 9110 8.8.3)
_NOT_ON_304 = frozenset({b"content-type", b"content-length", b"content-encoding"})


@value()
class Repeat:
    """What an answer 200 is made of that is kept: enough to give it again while it holds, to everybody who asks so.

    `fields` and `body` stay as they are; `told` returns the fields that depend on how many seconds it is fresh still.
    Who asks with the `etag`, if it has one, is answered 304. `coding` is that of the body, and with `negotiated` there
    are others; `elsewhere` finds the entry that holds the body, where it is not the one that was kept.
    """

    kept: Kept
    fields: Headers
    told: Callable[[float], Headers]
    body: bytes = field(repr=False)
    etag: bytes | None = None
    coding: str = ""
    negotiated: bool = False
    elsewhere: Callable[[], StoredEntry | None] | None = None


@value()
class WebAnswer:
    """One answer: status, header fields in lower case without Content-Length, and a body, whole or as a stream.

    `repeat` is there where the same may be answered again without asking the handler. One with an `etag` becomes a 304
    as it leaves, for a `condition` (If-None-Match) that names it: only then is it known in which coding it leaves.
    """

    status: int
    headers: Headers
    body: bytes = b""
    stream: AsyncIterator[bytes | memoryview] | None = field(default=None, compare=False)
    repeat: Repeat | None = field(default=None, compare=False, repr=False)
    etag: bytes | None = field(default=None, compare=False, repr=False)
    condition: bytes | None = field(default=None, compare=False, repr=False)


def repeat_of(
    record: Record, fields: Headers, told: Callable[[float], Headers], body: bytes
) -> Repeat | None:
    """Return what repeats an answer that came out of a cache, fresh; None for any other."""
    kept = record.kept
    return Repeat(kept, fields, told, body) if isinstance(kept, Kept) else None


def json(value: object, *, status: int = 200, headers: Headers = ()) -> WebAnswer:
    """Return a value as JSON."""
    return WebAnswer(status, _JSON + headers, orjson.dumps(value))


def html(page: str, *, headers: Headers = ()) -> WebAnswer:
    """Return a page."""
    return WebAnswer(200, _HTML + headers, page.encode())


def etag_of(body: bytes) -> bytes:
    """Return a strong entity tag (RFC 9110 8.8.3) that is the same in every process."""
    return b'"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"'


def conditional(answer: WebAnswer, etag: bytes, if_none_match: bytes | None) -> WebAnswer:
    """Add the entity tag; the answer will be 304 where the client holds it already (RFC 9110 13.1.2)."""
    headers, said = (*answer.headers, (b"etag", etag)), answer.repeat
    repeat = said and Repeat(said.kept, (*said.fields, (b"etag", etag)), said.told, said.body, etag)
    return WebAnswer(answer.status, headers, answer.body, None, repeat, etag, if_none_match)


def resolved(answer: WebAnswer) -> WebAnswer:
    """Return an answer as it leaves: 304 if its client holds it already."""
    if answer.etag is None or answer.condition is None or not matches(answer.etag, answer.condition):
        return answer
    return WebAnswer(304, without_body(answer.headers), b"", None, answer.repeat)


def is_another(answer: WebAnswer, if_match: bytes | None) -> bool:
    """Tell whether an answer is none of those that its client demands (RFC 9110 13.1.1)."""
    etag = answer.etag
    return not (etag is None or if_match is None or matches(etag, if_match, weakly=False))


def without_body(fields: Headers) -> Headers:
    """Return the fields of an answer 200 that its 304 says too (RFC 9110 15.4.5)."""
    return tuple(pair for pair in fields if pair[0] not in _NOT_ON_304)


def matches(etag: bytes, field_value: bytes, *, weakly: bool = True) -> bool:
    """Tell whether a list of entity tags names this strong one: weakly for If-None-Match (RFC 9110 8.8.3.2)."""
    if field_value.strip() == b"*":
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _TAGS.findall(field_value))
