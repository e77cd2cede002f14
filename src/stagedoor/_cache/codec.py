"""Codecs turn values into bytes that a store can hold, and back."""

import struct
from typing import Protocol, TypeVar

from stagedoor._requests import HttpResponse

__all__ = ["Codec", "HttpCodec", "RawCodec"]

R = TypeVar("R")
_HEAD = struct.Struct(">HHI")
_SIZE = struct.Struct(">I")


class Codec(Protocol[R]):
    """Encode values of one type. `schema` names the form of the bytes: change it with the form.

    `decode` may raise whatever it likes on bytes it cannot read; that is a miss. Each call of it makes a value that
    nobody else has, or one that nobody can change.
    """

    @property
    def schema(self) -> str:
        """Name the form of the bytes."""
        ...

    def encode(self, value: R, /) -> bytes:
        """Return the bytes."""
        ...

    def decode(self, body: bytes, /) -> R:
        """Return the value."""
        ...


class RawCodec:
    """For values that are bytes already: nothing is copied."""

    schema = "raw"

    def encode(self, value: bytes, /) -> bytes:
        return value

    def decode(self, body: bytes, /) -> bytes:
        return body


class HttpCodec:
    """For whole HTTP responses. A streamed one cannot be kept: let `storable` refuse it."""

    schema = "http1"

    def encode(self, value: HttpResponse, /) -> bytes:
        flat = [part for field in value.headers for part in field]
        sizes = b"".join(_SIZE.pack(len(part)) for part in flat)
        head = _HEAD.pack(value.status, len(value.headers), len(value.body))
        return b"".join((head, sizes, *flat, value.body))

    def decode(self, body: bytes, /) -> HttpResponse:
        status, count, size = _HEAD.unpack_from(body)
        at = _HEAD.size + 2 * count * _SIZE.size
        parts: list[bytes] = []
        for (length,) in _SIZE.iter_unpack(body[_HEAD.size : at]):
            parts.append(body[at : at + length])
            at += length
        if at + size != len(body):
            raise ValueError("cut short")
        headers = tuple(zip(parts[::2], parts[1::2], strict=True))
        return HttpResponse(status=status, headers=headers, body=body[at:])
