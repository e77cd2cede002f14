"""What a handler returns, and how it is written: one head, one body, the same bytes each time."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import field

import orjson

from stagedoor._requests import Headers
from stagedoor._value import value

__all__ = ["WebAnswer", "conditional", "etag_of", "html", "json"]

_JSON: Headers = ((b"content-type", b"application/json"),)
_HTML: Headers = ((b"content-type", b"text/html; charset=utf-8"),)
_NOT_ON_304 = frozenset({b"content-type", b"content-length", b"content-encoding"})


@value()
class WebAnswer:
    """One answer: status, header fields in lower case without Content-Length, and a body, whole or as a stream."""

    status: int
    headers: Headers
    body: bytes = b""
    stream: AsyncIterator[bytes | memoryview] | None = field(default=None, compare=False)


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
    """Add the entity tag; answer 304 where the client holds it already (RFC 9110 13.1.2)."""
    headers = (*answer.headers, (b"etag", etag))
    if if_none_match is None or not _matches(etag, if_none_match):
        return WebAnswer(answer.status, headers, answer.body)
    return WebAnswer(304, tuple(pair for pair in headers if pair[0] not in _NOT_ON_304))


def _matches(etag: bytes, field_value: bytes) -> bool:
    """Compare weakly, as If-None-Match asks for (RFC 9110 8.8.3.2)."""
    if field_value.strip() == b"*":
        return True
    return any(tag.strip().removeprefix(b"W/") == etag for tag in field_value.split(b","))
