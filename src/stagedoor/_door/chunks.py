"""A body in chunks: sizes, extensions and trailers come off, content remains (RFC 9112 7.1).

Extensions mean nothing here and trailers are dropped, never merged into the head (H7); but both must be well formed,
and all that a body carries beside its content has the bounds of a head (T13).
"""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from stagedoor import _problems as problems
from stagedoor._door.limits import DoorLimits
from stagedoor._door.lines import FIELD, Refusal, end_of_line

__all__ = ["Chunks", "Piece"]

Piece: TypeAlias = Callable[[bytes], object]

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# A group with a choice in it is never repeated possessively: up to CPython 3.11.4 that matches what it should not
# (gh-106052). Nothing inside can be divided in two ways, so that going back is linear.
_QUOTED: Final = rb'"(?:[\t\x20!#-\[\]-\x7e\x80-\xff]++|\\[\t\x20-\x7e\x80-\xff])*"'
_BWS: Final = rb"[\t ]*+"
_SIZE: Final = re.compile(
    rb"([0-9A-Fa-f]++)(?:%b;%b%b(?:%b=%b(?:%b|%b))?)*\r\n" % (_BWS, _BWS, _TOKEN, _BWS, _BWS, _TOKEN, _QUOTED)
)
_DIGITS: Final = 15  # of a size, without leading zeros: beyond is no honest chunk
_RUN: Final = 1_024  # chunks that are joined at once
_FREE: Final = 18  # octets of a size line that are no overhead: sixteen digits and CRLF
_PLAIN: Final = re.compile(rb"([0-9A-Fa-f]{1,15}+)\r\n")
_CRLF: Final = b"\r\n"
_BAD_FRAMING: Final = problems.bad_request("the framing of the body is not valid")
_BAD_TRAILER: Final = problems.bad_request("a trailer field is not valid")
_OVERHEAD: Final = problems.bad_request("chunk extensions are larger than allowed")
_TRAILERS: Final = problems.headers_too_large("the trailers are larger or more than allowed")


class Chunks:
    """Reads one body; `done` once its last line is here."""

    __slots__ = ("_fields", "_gap", "_last", "_left", "_room", "_seen", "_trailer_room", "done")

    def __init__(self, limits: DoorLimits) -> None:
        self.done = False
        self._left = 0  # octets of this chunk's content that are to come
        self._gap = False  # the CRLF behind the content is to come
        self._last = False  # the chunk of size 0 was here: trailers follow
        self._seen = 0  # octets of an incomplete line that were looked at
        self._room = self._trailer_room = limits.header_bytes
        self._fields = limits.header_fields

    def take(self, data: bytes, at: int, piece: Piece) -> int:
        """Read on from `at`, hand content to `piece`, and return where what is not complete begins.

        That is given again, with what follows it. Raises `Refusal`.
        """
        while at < len(data) and not self.done:
            end = self._step(data, at, piece)
            if end == at:
                break
            at = end
        return at

    def _step(self, data: bytes, at: int, piece: Piece) -> int:
        """Read one thing, if it is there."""
        if self._left:
            return self._content(data, at, piece)
        if self._gap:
            return self._end_of_content(data, at)
        if self._last:
            return self._trailer(data, at)
        end = at if self._seen else _whole_chunks(data, at, piece)
        return end if end != at else self._size(data, at)

    def _content(self, data: bytes, at: int, piece: Piece) -> int:
        content = data[at : at + self._left]
        self._left -= len(content)
        self._gap = not self._left
        piece(content)
        return at + len(content)

    def _end_of_content(self, data: bytes, at: int) -> int:
        end = data[at : at + 2]
        if not _CRLF.startswith(end):
            raise Refusal(_BAD_FRAMING)
        self._gap = end != _CRLF
        return at if self._gap else at + 2

    def _size(self, data: bytes, at: int) -> int:
        end = end_of_line(data, at, at + self._seen, self._room + _FREE, _BAD_FRAMING, _OVERHEAD)
        self._seen = 0 if end else len(data) - at
        if not end:
            return at
        size = _SIZE.fullmatch(data, at, end)
        if size is None or len(size[1].lstrip(b"0")) > _DIGITS:
            raise Refusal(_BAD_FRAMING)
        self._left = int(size[1], 16)
        self._last = not self._left
        self._room -= max(0, end - at - _FREE)
        return end

    def _trailer(self, data: bytes, at: int) -> int:
        end = end_of_line(data, at, at + self._seen, self._trailer_room, _BAD_TRAILER, _TRAILERS)
        self._seen = 0 if end else len(data) - at
        if not end:
            return at
        if end - at == len(_CRLF):
            self.done = True
            return end
        self._fields -= 1
        self._trailer_room -= end - at
        if self._fields < 0:
            raise Refusal(_TRAILERS)
        if FIELD.fullmatch(data, at, end) is None:
            raise Refusal(_BAD_TRAILER)
        return end


def _whole_chunks(data: bytes, at: int, piece: Piece) -> int:
    """Read a run of chunks without extensions that are here to their end; return where the last of them ends."""
    contents: list[bytes] = []
    while len(contents) < _RUN and (size := _PLAIN.match(data, at)) is not None:
        begin = size.end()
        end = begin + int(size[1], 16)
        if end == begin or data[end : end + 2] != _CRLF:
            break
        contents.append(data[begin:end])
        at = end + 2
    if contents:
        piece(b"".join(contents))
    return at
