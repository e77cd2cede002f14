"""Decompression, for those who ask for it: bounded while it happens (T12).

Only what the standard library decodes, gzip and deflate. A bomb ends as soon as either bound is passed: the absolute
size, or a ratio that honest text does not reach. Pass-through routes do not decompress at all.

A gzip body is a series of members (RFC 1952 2.2), each of which costs a decoder: they are bounded too. Zeros behind the
last one fill a block up, as every reader of gzip knows; anything else there is no gzip. What is called
deflate is in zlib's form (RFC 9110 8.4.1.2), but for the servers that never learned it; both are read.
"""

import zlib

from stagedoor._requests import Headers, HttpResponse
from stagedoor._transports.failures import Garbled

__all__ = ["ACCEPTED", "inflated"]

ACCEPTED = (b"accept-encoding", b"gzip, deflate")
_GZIP, _EITHER, _BARE = (
    31,
    47,
    -15,
)  # zlib: 16 + 15 reads gzip, 32 + 15 finds out itself, a negative one has no frame
_WINDOWS = {b"gzip": (_GZIP,), b"x-gzip": (_GZIP,), b"deflate": (_EITHER, _BARE)}  # what is tried in turn
_NONE = frozenset((b"", b"identity"))
_MEMBERS = 1_024  # files made of blocks (bgzip) have one for each 64 KiB
_PIECE = 16 * 1024  # what a decoder copies when its member ends
_RATIO = 200
_FREE = 64 * 1024  # bytes that any ratio may bring


def inflated(response: HttpResponse, limit: int) -> HttpResponse:
    """Return an answer with its body decoded and the fields that spoke of the coded one removed.

    Raises `Garbled` for a body that is broken, too large or a bomb. Other codings stay as they are.
    """
    # Of several lines a list is made (RFC 9110 5.3), and of two codings none is ours.
    lines = b",".join([value for name, value in response.headers if name == b"content-encoding"])
    windows = _WINDOWS.get(lines.lower()) or _WINDOWS.get(_only(lines))
    if windows is None or not response.body:
        return response
    bound = min(limit, max(_FREE, len(response.body) * _RATIO))
    body = _decode(response.body, windows, bound)
    return HttpResponse(status=response.status, headers=_without_coding(response.headers), body=body)


def _only(listed: bytes) -> bytes:
    """Return the one coding of a list; empty members and `identity` count for nothing (RFC 9110 5.6.1, 8.4.1)."""
    codings = [coding for one in listed.lower().split(b",") if (coding := one.strip(b" \t")) not in _NONE]
    return codings[0] if len(codings) == 1 else b""


def _decode(data: bytes, windows: tuple[int, ...], bound: int) -> bytes:
    problem: zlib.error | None = None
    for window in windows:
        try:
            return _unfold(data, window, bound)
        except zlib.error as error:
            problem = error
    raise Garbled("a body that cannot be decompressed") from problem


def _unfold(data: bytes, window: int, bound: int) -> bytes:
    """Decode a body of one form, all its members; raises zlib.error if it has another, or ends early."""
    bodies: list[bytes] = []
    at = size = 0
    for _ in range(_MEMBERS if window == _GZIP else 1):
        body, at = _member(memoryview(data), at, window, bound - size)
        bodies.append(body)
        size += len(body)
        if at == len(data) or (window == _GZIP and not data[at] and not data[at:].strip(b"\0")):
            return b"".join(bodies)
    raise zlib.error("more behind the last member")


def _member(data: memoryview, at: int, window: int, room: int) -> tuple[bytes, int]:
    """Return what one member holds, and where the next one begins."""
    decoder = zlib.decompressobj(window)
    pieces: list[bytes] = []
    while not decoder.eof:
        if at == len(data):
            raise zlib.error("ends early")
        coded = data[at : at + _PIECE]
        at += len(coded)
        pieces.append(decoder.decompress(coded, room + 1))
        room -= len(pieces[-1])
        if room < 0:
            raise Garbled("the body grows too large")
    return b"".join(pieces), at - len(decoder.unused_data)


def _without_coding(headers: Headers) -> Headers:
    return tuple(field for field in headers if field[0] not in (b"content-encoding", b"content-length"))
