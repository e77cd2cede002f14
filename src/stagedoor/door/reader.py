"""Octets in; requests, pieces of bodies, or a refusal out. Knows no socket and no clock.

llhttp does the parsing. It cannot be stopped between two requests of one feed, and it hands over what it has read
only in parts, so the bounds are kept from both sides: what has arrived is counted by feed while a head is under way
(an upper bound, off by at most one feed), and exactly once it is complete.
"""

from typing import Any, Final, NoReturn, Protocol

import httptools

from stagedoor import problems
from stagedoor.door.guards import Target, judge, split_target, unreadable
from stagedoor.door.limits import DoorLimits
from stagedoor.problems import Problem

__all__ = ["Head", "Reader", "Sink"]

_CHUNK_FRAME: Final = 20  # the longest size line without extensions, and the CRLF after the data
_LINE_FRAME: Final = 12  # two blanks, HTTP/1.1 and CRLF
Fields = list[tuple[bytes, bytes]]


class _Stop(Exception):
    """Leave the parser from inside one of its callbacks."""


class Head:
    """A request's head that has been judged and found good."""

    __slots__ = ("expects_continue", "fields", "keep_alive", "method", "target", "version")

    def __init__(self, method: str, version: str, target: Target, fields: Fields) -> None:
        self.method = method
        self.version = version
        self.target = target
        self.fields = fields
        self.keep_alive = False
        self.expects_continue = False


class Sink(Protocol):
    """Who takes what the reader has read."""

    def may_begin(self) -> bool:
        """Tell whether a further request is wanted on this connection."""
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


class Reader:
    """The reading half of one connection."""

    __slots__ = (
        "_begun",
        "_feed",
        "_head",
        "_head_size",
        "_limits",
        "_messages",
        "_overhead",
        "_parser",
        "_problem",
        "_sink",
        "_trailer_fields",
        "_trailer_size",
        "_trailers",
        "done",
        "fields",
        "in_head",
        "target",
    )

    def __init__(self, limits: DoorLimits, sink: Sink) -> None:
        self.done = False  # nothing that arrives now is a request any more
        self.in_head = True  # not inside a body
        self.target = b""
        self.fields: Fields = []
        self._limits = limits
        self._sink = sink
        self._parser: Any = httptools.HttpRequestParser(self)
        # Octets after a last request are ignored; as an error they would spoil its answer.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._problem: Problem | None = None
        self._feed = b""
        self._messages = 0  # heads that began in this feed
        self._begun = False  # some of a head is here
        self._head: bytes | bytearray = (
            b""  # the feeds a head came in, with what stood before it in the first
        )
        self._head_size = 0
        self._overhead = 0  # what a body takes beyond its content: sizes, extensions, trailers
        self._trailers = False
        self._trailer_fields = self._trailer_size = 0

    @property
    def begun(self) -> bool:
        """Tell whether a part of a head is here."""
        return self._begun

    @property
    def is_head_method(self) -> bool:
        """Tell whether the head under way asks with HEAD, as far as one can tell."""
        return self._head[:5] == b"HEAD "

    def release(self) -> None:
        """Forget the parser, which refers to this object."""
        self.done = True
        self._parser = None

    def feed(self, data: bytes) -> Problem | None:
        """Take octets. Return a refusal, after which nothing more is to be fed."""
        in_head, begun = self.in_head, self._begun
        self._feed, self._messages = data, 0
        if begun:
            self._head = bytearray(self._head) if isinstance(self._head, bytes) else self._head
            self._head += data
        elif not in_head:
            self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # RFC 9110 7.8: an upgrade that is not wanted is ignored; what follows is the next request.
            return None if self.done else self.feed(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            return self._stopped(error)
        return self._oversized(in_head, begun)

    def _stopped(self, error: httptools.HttpParserError) -> Problem | None:
        if self.done:  # no further request was wanted
            return None
        self.done = True
        if self._problem is not None:
            return self._problem
        if not self.in_head:
            return problems.bad_request("the framing of the body is not valid")
        unknown = isinstance(error, httptools.HttpParserInvalidMethodError)
        return unreadable(bytes(self._head[:1_024]), unknown_method=unknown)

    def _oversized(self, was_in_head: bool, was_begun: bool) -> Problem | None:
        """Return a refusal for what is too large before it is complete."""
        limits = self._limits
        if not self.in_head:
            if self._overhead > limits.header_bytes:
                return problems.bad_request("chunk extensions or trailers are larger than allowed")
        elif self._begun:
            if was_in_head and self._messages == (not was_begun):
                self._head_size += len(self._feed)  # all of this feed belongs to this head
            if len(self.target) > limits.request_line:
                return problems.uri_too_long(limits.request_line)
            if self._head_size > limits.request_line + limits.header_bytes:
                return problems.headers_too_large()
        return None

    # --- the parser's callbacks ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start a head, unless the connection is done with requests."""
        if not self._sink.may_begin():
            self.done = True
            raise _Stop
        self._messages += 1
        self._begun = True
        self._head, self._head_size = self._feed, 0
        self.target, self.fields = b"", []

    def on_url(self, url: bytes) -> None:
        """Gather the target."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather a field; trailers are counted and dropped, never merged into the head (H7)."""
        if not self._trailers:
            self.fields.append((name.lower(), value))
            return
        self._trailer_fields += 1
        self._trailer_size += len(name) + len(value) + 4
        if (
            self._trailer_size > self._limits.header_bytes
            or self._trailer_fields > self._limits.header_fields
        ):
            self._stop(problems.headers_too_large("the trailers are larger or more than allowed"))

    def on_headers_complete(self) -> None:
        """Judge the head, and hand it on."""
        limits, fields = self._limits, self.fields
        method, version = self._parser.get_method(), self._parser.get_http_version()
        size, expects = 2, False
        for name, value in fields:
            size += len(name) + len(value) + 4
            if name == b"expect":
                expects = value.lower() == b"100-continue"
        if len(method) + len(self.target) + _LINE_FRAME > limits.request_line:
            self._stop(problems.uri_too_long(limits.request_line))
        if size > limits.header_bytes or len(fields) > limits.header_fields:
            self._stop(problems.headers_too_large())
        target = split_target(self.target)
        problem = judge(method, version, target, fields, limits) or self._misread(method)
        if problem is not None or target is None:
            self._stop(problem or problems.bad_request())
        if not self._sink.has_room(target.raw_path):
            self._stop(problems.overloaded())
        head = Head(method.decode("ascii"), version, target, fields)
        if version == "1.1":
            head.keep_alive, head.expects_continue = self._parser.should_keep_alive(), expects
        self.in_head = self._begun = False
        self._head = b""
        self._overhead = 0
        self._sink.begin(head)

    def _misread(self, method: bytes) -> Problem | None:
        # llhttp also speaks RTSP, and forgives blanks around the target: the line must stand there as we read it.
        if b"%b %b HTTP/" % (method, self.target) not in self._head:
            return problems.bad_request("the request line is not valid")
        # It stops at the head of an upgrade: what follows would be read as the next request, a body too.
        if self._parser.should_upgrade() and _announces_body(self.fields):
            return problems.bad_request("a request for an upgrade with a body is not accepted")
        return None

    def on_chunk_header(self) -> None:
        """Allow for the frame of one chunk."""
        self._overhead -= _CHUNK_FRAME
        self._trailers = True  # fields from here to the end of the message can only be trailers

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on."""
        self._overhead -= len(body)
        self._sink.piece(body)

    def on_message_complete(self) -> None:
        """Hand the end of the request on."""
        self.in_head = True
        self._trailers = False
        self._trailer_fields = self._trailer_size = 0
        self._sink.end()

    def _stop(self, problem: Problem) -> NoReturn:
        self._problem = problem
        raise _Stop


def _announces_body(fields: Fields) -> bool:
    """Tell whether a body follows the head (RFC 9112 6.3)."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in fields
    )
