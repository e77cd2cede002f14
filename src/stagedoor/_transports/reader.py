"""Reads and judges answers. Pure: bytes in, cut anywhere; status, fields and body out, or a failure.

A head goes through llhttp in strict mode, which refuses bare LF, folded lines, spaces before colons, control
characters, doubled or malformed lengths, and lengths beside a transfer coding (H7). Its gaps are closed here: other
protocols and versions (RTSP, ICE, HTTP/0.9 and 2.0) and blank lines before the status line, statuses outside
100-599, control characters in a reason, transfer codings other than one `chunked`, and answers to HEAD. A status line
may lack the blank in front of the reason it does not have: so many servers write it. Bodies with a length never enter
the parser: they are counted, so that one byte too many is seen. Chunked bodies do; what llhttp reports after their end,
or as trailers, goes nowhere. A new parser for each head (0.4 µs) means that no state can leak from one answer into the
next.
"""

from typing import ClassVar, TypeAlias

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from stagedoor._requests import Headers
from stagedoor._transports.failures import Disconnected, Garbled
from stagedoor._transports.limits import Limits

__all__ = ["Framing", "ReadStage", "ResponseReader", "framing"]


class ReadStage:
    """How far an answer has come. Plain integers: a member of an Enum costs 70 ns a look on Python 3.11."""

    HEAD: ClassVar[int] = 0
    COUNTED: ClassVar[int] = 1
    CHUNKED: ClassVar[int] = 2
    UNTIL_CLOSE: ClassVar[int] = 3
    DONE: ClassVar[int] = 4


# Looked up in the module they cost nothing, in a class 25 ns.
_HEAD, _COUNTED, _CHUNKED = ReadStage.HEAD, ReadStage.COUNTED, ReadStage.CHUNKED
_UNTIL_CLOSE, _DONE = ReadStage.UNTIL_CLOSE, ReadStage.DONE

_STARTS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_BODILESS = frozenset((204, 304))
_COPIED = 4_096  # octets behind a head that are copied sooner than shown by a view
_REASON = bytes(octet for octet in range(256) if octet == 9 or (octet > 31 and octet != 127))  # RFC 9112 4

# How the body ends, its length, whether the connection may serve on.
Framing: TypeAlias = tuple[int, int, bool]


def framing(status: int, headers: Headers, *, to_head: bool, old: bool) -> Framing:
    """Judge where an answer's body ends (RFC 9112 6.3); raises `Garbled`. `old` means HTTP/1.0."""
    fields = dict(headers)
    counted = fields.get(b"content-length")
    chunked = b"transfer-encoding" in fields
    if chunked:
        _check_coding(headers, old=old)
        if counted is not None:
            raise Garbled("a length beside a transfer coding")
    keep = not old
    if b"connection" in fields:
        single = len(fields) == len(headers)
        keep = (single and fields[b"connection"].lower() == b"keep-alive") or _persistent(headers, old=old)
    if status == 408:
        keep = False  # it means that the connection is closed, whatever its fields say (RFC 9110 15.5.9)
    if to_head or status == 304:
        return (_DONE, 0, keep)
    if status == 204:  # has no body whatever its fields say, but who says otherwise is not asked again
        return (_DONE, 0, keep and not chunked and counted in (None, b"0"))
    if chunked:
        return (_CHUNKED, 0, keep)
    return (_UNTIL_CLOSE, 0, False) if counted is None else _counted(counted, keep)


def _counted(value: bytes, keep: bool) -> Framing:
    if not value.isdigit() or len(value) > 18:
        raise Garbled("a length that is no number")
    length = int(value)
    return (_COUNTED if length else _DONE, length, keep)


def _check_coding(headers: Headers, *, old: bool) -> None:
    # None was asked for (no TE field goes out), so anything but one `chunked` is refused; RFC 9112 6.1 calls
    # a transfer coding in HTTP/1.0 faulty framing.
    if old or [value.lower() for name, value in headers if name == b"transfer-encoding"] != [b"chunked"]:
        raise Garbled("a transfer coding that was not asked for")


def _persistent(headers: Headers, *, old: bool) -> bool:
    """Tell whether the connection outlives the answer (RFC 9112 9.3)."""
    options = b",".join([value for name, value in headers if name == b"connection"]).lower()
    named = {option.strip() for option in options.split(b",")}
    return b"close" not in named and (not old or b"keep-alive" in named)


class ResponseReader:
    """Reads answers, one after the other: `begin`, then `feed` until `stage` is DONE, then take what is there.

    `feed` and `close` raise `Garbled` and `Disconnected`; after that the reader and its connection are useless.
    """

    __slots__ = (
        "_bounded", "_chunks", "_fields", "_head_size", "_interim", "_length", "_limits", "_parser", "_pieces", "_size",
        "_spent", "_start", "_streamed", "_tail", "_to_head", "bare", "headers", "keep", "stage", "started", "status",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.begin(to_head=False, streamed=False)

    def begin(self, *, to_head: bool, streamed: bool) -> None:
        """Expect a new answer: to a HEAD request or not, its body to be taken in pieces or whole."""
        self._to_head = to_head
        self._streamed = streamed
        self._bounded = True
        self.bare = False
        self._chunks: list[bytes | memoryview] = []
        self._interim = self._size = self._spent = self._pieces = self._length = self.status = 0
        self.started = self.keep = False
        self.headers: Headers = ()
        self._expect_head()

    def _expect_head(self) -> None:
        self._fields: list[tuple[bytes, bytes]] = []
        self._parser = HttpResponseParser(self)
        self._start = self._tail = b""
        self._head_size = 0
        self.stage: int = _HEAD

    @property
    def headless(self) -> bool:
        """Tell whether the final head is still to come."""
        return self.stage == _HEAD

    @property
    def owing(self) -> bool:
        """Tell whether a bare answer speaks of a body, which it cannot have (RFC 9112 6.3), but which may come."""
        fields = dict(self.headers)
        return b"transfer-encoding" in fields or fields.get(b"content-length", b"0").strip(b"0") != b""

    def take(self) -> bytes:
        """Return the body, which has come whole."""
        chunks = self._chunks
        self._chunks = []
        return b"".join(chunks)  # one that is bytes is not copied

    def take_piece(self) -> bytes | memoryview:
        """Return the body that has come since the last time."""
        chunks = self._chunks
        self._chunks = []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def feed(self, octets: bytes) -> None:
        """Take in bytes of the connection, cut anywhere."""
        self.started = True
        data: bytes | memoryview = octets
        while data and self.stage == _HEAD:
            data = self._feed_head(bytes(data))  # no copy: it is bytes as long as heads are read
        if not data:
            return
        stage = self.stage
        if stage == _COUNTED:
            self._feed_counted(data)
        elif stage == _CHUNKED:
            self._feed_chunked(data)
        elif stage == _UNTIL_CLOSE:
            self._feed_endless(data)
        elif self.bare:
            self.keep = False  # a body that must not be: the answer counts, its connection does not
        else:
            raise Garbled("bytes after the answer")

    def _feed_counted(self, data: bytes | memoryview) -> None:
        self._size = size = self._size + len(data)
        if size > self._length:
            raise Garbled("bytes after the body")
        if size == self._length:
            self.stage = _DONE
        self._chunks.append(data)

    def _feed_endless(self, data: bytes | memoryview) -> None:
        self._size += len(data)
        if self._size > self._limits.body and self._bounded:
            raise Garbled("the body is too large")
        self._chunks.append(data)

    def close(self, *, properly: bool = True) -> None:
        """Take in the end of the connection; raises `Disconnected` unless that ends the answer.

        A reset, or TLS that ends without saying so, is no proper end: it ends no body (RFC 9112 8).
        """
        if self.stage == _UNTIL_CLOSE and properly:
            self.stage = _DONE
        if self.stage != _DONE:
            raise Disconnected(silent=not self.started, headless=self.stage == _HEAD)

    # -- head

    def _feed_head(self, data: bytes) -> bytes | memoryview:
        """Take in bytes up to the end of a head; return those that follow it."""
        if not self._head_size:  # nothing of it is here yet, and most heads come whole
            end = data.find(b"\r\n\r\n") + 4
            if 4 <= end <= self._limits.head and data.startswith(_STARTS):
                self._start = data[:9]
                self._parse(data[:end])
                self._judge_head()
                # Much of a body that is handed on is not copied for it.
                shown = self._streamed and self.stage == _COUNTED and len(data) - end > _COPIED
                return memoryview(data)[end:] if shown else data[end:]
        return self._gather_head(data)

    def _gather_head(self, data: bytes) -> bytes:
        """Take in bytes of a head that comes in pieces, or is not as it should be."""
        tail = self._tail
        seen = tail + data if tail else data
        end = seen.find(b"\r\n\r\n")
        cut = end + 4 - len(tail) if end >= 0 else len(data)
        piece = data[:cut]
        self._head_size += cut
        if self._head_size > self._limits.head:
            raise Garbled("the head is too large")
        if len(self._start) < 9:
            self._check_start(piece)
        self._parse(piece)
        if end < 0:
            self._tail = seen[-3:]
            return b""
        self._judge_head()
        return data[cut:]

    def _check_start(self, data: bytes) -> None:
        # llhttp would also take RTSP, ICE, HTTP/0.9 and 2.0, and skip blank lines.
        start = self._start = (self._start + data[:9])[:9]
        if not (b"HTTP/1.1 ".startswith(start) or b"HTTP/1.0 ".startswith(start)):
            raise Garbled("not an answer of HTTP/1")

    def _parse(self, data: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise Garbled("broken framing") from error

    def _judge_head(self) -> None:
        status, limits, fields = self._parser.get_status_code(), self._limits, self._fields
        if not 100 <= status <= 599 or status == 101:
            raise Garbled("an impossible status")
        if len(fields) > limits.fields:
            raise Garbled("too many header fields")
        if status < 200:
            self._skip_interim()
            return
        self.status = status
        self._bounded = not self._streamed or status >= 400  # a refusal is always read whole
        self.headers = headers = tuple(fields)
        old = self._start == b"HTTP/1.0 "
        self.stage, length, self.keep = framing(status, headers, to_head=self._to_head, old=old)
        if self.stage == _DONE:
            self.bare = self._to_head or status in _BODILESS
        elif self.stage == _CHUNKED and not self._parser.should_keep_alive():
            self._expect_chunks()
        if length > limits.body and self._bounded:
            raise Garbled("the body is too large")
        self._length = length

    def _expect_chunks(self) -> None:
        # A tab behind `chunked` is no part of it (RFC 9110 5.5), but llhttp takes it for one and waits for the end of
        # the connection, which is what it says when asked whether that stays.
        self._parser = HttpResponseParser(self)
        self._parse(_CHUNKED_HEAD)

    def _skip_interim(self) -> None:
        self._interim += 1
        if self._interim > self._limits.interim:
            raise Garbled("too many interim answers")
        self._expect_head()

    # -- chunked bodies

    def _feed_chunked(self, data: bytes | memoryview) -> None:
        self._spent += len(data)
        before = len(self._chunks)
        self._parse(data)
        if len(self._chunks) - before > 1:  # an object for each chunk is larger than many a chunk
            self._chunks[before:] = [b"".join(self._chunks[before:])]
        # What is no body: framing of some 16 bytes a chunk, extensions and trailers.
        if self._spent - self._size > self._limits.head + 32 * self._pieces:
            raise Garbled("too much between the chunks")
        if self._size > self._limits.body and self._bounded:
            raise Garbled("the body is too large")
        self._tail = (self._tail + bytes(data[-5:]))[-5:]
        if self.stage == _DONE:
            # Trailers and odd last chunks are well-formed, but not worth another call's safety.
            self.keep = self.keep and self._tail == b"0\r\n\r\n"

    # -- callbacks of llhttp

    def on_status(self, reason: bytes) -> None:
        """Refuse a reason, or a piece of one, that holds control characters."""
        if reason.translate(None, _REASON):
            raise Garbled("a control character in the reason")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field; trailers come here too, and end in a list that nobody reads any more."""
        self._fields.append((name.lower(), value.rstrip(b" \t")))

    def on_message_begin(self) -> None:
        """Refuse what follows a chunked body."""
        if self.stage == _DONE:
            raise Garbled("bytes after the answer")

    def on_body(self, data: bytes) -> None:
        """Keep a piece of a chunked body."""
        self._size += len(data)
        self._chunks.append(data)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._pieces += 1

    def on_message_complete(self) -> None:
        """End a chunked body; heads without one come here too."""
        if self.stage == _CHUNKED:
            self.stage = _DONE
