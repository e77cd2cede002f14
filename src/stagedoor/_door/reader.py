"""Octets in; requests, pieces of bodies, or a refusal out. Knows no socket and no clock.

What is judged is the stream, never a feed: a head line by line, a body chunk by chunk, each in its order and as soon
as it is there. So a stream has one verdict, however it is cut and whatever follows in the same packet.
"""

import re
from typing import Final, Protocol

from stagedoor import _problems as problems
from stagedoor._door.chunks import Chunks
from stagedoor._door.framing import CHUNKED, framing_of
from stagedoor._door.guards import Target, judge, split_target
from stagedoor._door.head import Fields, HeadLines, whole_head
from stagedoor._door.limits import DoorLimits
from stagedoor._door.lines import Refusal
from stagedoor._door.wire import RequestOutline
from stagedoor._problems import ProblemDetails
from stagedoor._value import value

__all__ = ["Head", "RequestReader", "Sink"]

_END: Final = b"\r\n\r\n"
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)*+")
_EMPTY_LINE: Final = frozenset({b"\r\n", b"\r"})


@value()
class Head:
    """A request's head that has been judged and found good."""

    method: str
    version: str
    target: Target
    fields: Fields
    size: int  # octets, as it came
    keep_alive: bool
    expects_continue: bool


class Sink(Protocol):
    """Who takes what the reader has read."""

    def may_begin(self) -> bool:
        """Tell whether a further request is wanted on this connection."""
        ...

    def is_full(self) -> bool:
        """Tell whether so much waits that further requests are read later, when they are asked for."""
        ...

    def has_room(self, target: bytes) -> bool:
        """Tell whether a request for this target can be served now."""
        ...

    def begin(self, head: Head) -> None:
        """Take a request; its body follows."""

    def piece(self, body: bytes) -> None:
        """Take a piece of the body."""

    def end(self) -> None:
        """Note that the request is complete."""


class RequestReader:
    """The reading half of one connection."""

    __slots__ = (
        "_chunks",
        "_is_head_method",
        "_left",
        "_limits",
        "_lines",
        "_rest",
        "_sink",
        "begun",
        "done",
        "fields",
        "in_head",
        "stalled",
        "target",
    )

    def __init__(self, limits: DoorLimits, sink: Sink) -> None:
        self.done = False  # nothing that arrives now is a request any more
        self.in_head = True  # not inside a body
        self.begun = False  # some of a head is here
        self.stalled = False  # requests are here that are read later
        self._is_head_method = False  # it asks with HEAD, as far as one can tell
        self.target = b""
        self.fields: Fields = []
        self._limits = limits
        self._sink = sink
        self._rest = b""  # of a head, or of a line between chunks, that is not complete
        self._lines: HeadLines | None = None  # of such a head
        self._left = 0  # octets of a body of known length that are to come
        self._chunks: Chunks | None = None

    def release(self) -> None:
        """Forget the sink, which refers to this object: both then go by themselves, not when cycles are looked for."""
        self.done = True
        self._rest = b""
        del self._sink

    def is_empty(self) -> bool:
        """Tell whether the next octet is the first of a request."""
        return self.in_head and not (self.begun or self._rest or self.stalled or self.done)

    def asked(self) -> RequestOutline:
        """Return what an answer to the request that is read now says of it, should it be refused."""
        return RequestOutline(self.fields, self.target, self._is_head_method)

    def feed(self, data: bytes) -> ProblemDetails | None:
        """Take octets, or none to go on after a stall. Return a refusal, after which nothing more is to be fed."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, self.stalled = 0, False
        try:
            while at < len(data) and not self.done:
                end = self._head(data, at) if self.in_head else self._body(data, at)
                if end == at:
                    break
                at = end
            self._rest = data[at:]  # not whole yet, or read later
        except Refusal as refusal:
            self.done = True
            return refusal.problem
        return None

    # --- heads --------------------------------------------------------------------------------------------------

    def _head(self, data: bytes, at: int) -> int:
        """Read a head; return where it ends, or `at` if that is not here."""
        if not self.begun:
            if data[at : at + 2] in _EMPTY_LINE:  # RFC 9112 2.2: skipped before a request
                return _EMPTY_LINES.match(data, at).end()  # type: ignore[union-attr] # it matches anything
            if not self._sink.may_begin():
                self.done = True
                return at
            if self._sink.is_full():
                self.stalled = True
                return at
            self.begun = True
            self.target, self.fields = b"", []
        self._is_head_method = data.startswith(b"HEAD ", at)
        if self._lines is None:
            last = data.find(_END, at) + 2
            parts = whole_head(data, at, last, self._limits) if last > 1 else None
            if parts is not None:
                self._begin(*parts, last + 2 - at)
                return last + 2
        return self._head_in_pieces(data, at)

    def _head_in_pieces(self, data: bytes, at: int) -> int:
        lines = self._lines = self._lines or HeadLines(self._limits)
        try:
            end = lines.look(data[at:])
        finally:
            self.target, self.fields = lines.target, lines.fields
        if end:
            self._begin(lines.method, lines.target, lines.version, lines.fields, end)
        return at + end

    def _begin(self, method: bytes, target: bytes, version: bytes, fields: Fields, size: int) -> None:
        """Judge a head, and hand it on."""
        self.target, self.fields, self._lines = target, fields, None
        split, spoken = split_target(target), version.decode("ascii")
        problem = judge(method, spoken, split, fields, self._limits)
        if problem is not None or split is None:
            raise Refusal(problem or problems.bad_request())
        length, keep_alive, expects_continue = framing_of(spoken, fields)
        if not self._sink.has_room(split.raw_path):
            raise Refusal(problems.overloaded())
        self.begun = False
        self._sink.begin(
            Head(method.decode("ascii"), spoken, split, fields, size, keep_alive, expects_continue)
        )
        if length == CHUNKED:
            self._chunks, self.in_head = Chunks(self._limits), False
        elif length:
            self._left, self.in_head = length, False
        else:
            self._sink.end()

    # --- bodies -------------------------------------------------------------------------------------------------

    def _body(self, data: bytes, at: int) -> int:
        """Read of a body; return where what is not read begins."""
        if self._chunks is not None:
            at = self._chunks.take(data, at, self._sink.piece)
            over = self._chunks.done
        else:
            piece = data[at : at + self._left]
            self._sink.piece(piece)
            self._left -= len(piece)
            at, over = at + len(piece), not self._left
        if over:
            self._chunks, self.in_head = None, True
            self._sink.end()
        return at
