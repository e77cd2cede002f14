"""Decompression, for those who ask for it: bounded while it happens (T12).

Only what the standard library decodes, gzip and deflate. A bomb ends as soon as either bound is passed: the absolute
size, or a ratio that honest text does not reach. Pass-through routes do not decompress at all.
"""

import zlib

from stagedoor.requests import Headers, HttpResponse
from stagedoor.transports.failures import Garbled

__all__ = ["ACCEPTED", "inflated"]

ACCEPTED = (b"accept-encoding", b"gzip, deflate")
_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 47}  # zlib: 16 + 15 reads gzip, 32 + 15 finds out itself
_RATIO = 200
_FREE = 64 * 1024  # bytes that any ratio may bring


def inflated(response: HttpResponse, limit: int) -> HttpResponse:
    """Return an answer with its body decoded and the fields that spoke of the coded one removed.

    Raises `Garbled` for a body that is broken, too large or a bomb. Other codings stay as they are.
    """
    coding = (response.header(b"content-encoding") or b"").strip().lower()
    window = _WINDOWS.get(coding)
    if window is None or not response.body:
        return response
    bound = min(limit, max(_FREE, len(response.body) * _RATIO))
    body = _decode(response.body, window, bound)
    return HttpResponse(status=response.status, headers=_without_coding(response.headers), body=body)


def _decode(data: bytes, window: int, bound: int) -> bytes:
    decoder = zlib.decompressobj(window)
    try:
        body = decoder.decompress(data, bound + 1)
    except zlib.error as error:
        raise Garbled("a body that cannot be decompressed") from error
    if len(body) > bound:
        raise Garbled("the body grows too large")
    if not decoder.eof or decoder.unused_data:
        raise Garbled("a body that cannot be decompressed")
    return body


def _without_coding(headers: Headers) -> Headers:
    return tuple(field for field in headers if field[0] not in (b"content-encoding", b"content-length"))
