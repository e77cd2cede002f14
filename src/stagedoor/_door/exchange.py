"""One request and its answer: the ASGI side of a connection.

The head of an answer waits for the first piece of its body, as ASGI asks for, and both leave in one write. An
application that fails before that moment still gives the client a problem; one that fails later has its connection
cut, never ended as if it were whole.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from stagedoor import _problems as problems
from stagedoor._door.reader import Head
from stagedoor._door.wire import FIELD_NAMES, STATUS_LINES, RequestOutline, head_of
from stagedoor._problems import ProblemDetails
from stagedoor._supervision import is_stray
from stagedoor.errors import UpstreamError

__all__ = ["CONTINUE", "Exchange", "ServerConnection"]

_LOGGER: Final = logging.getLogger("stagedoor._door")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# Octets of an answer that wait in a transport; above its high-water mark none are added.
_PIECE: Final = 262_144
_COPIED: Final = 16_384  # octets of a body that are copied, to be one piece with what is round them
_ENDLESS: Final = 1 << 62  # the end of the connection is the end of the body
_BODILESS: Final = -1
_DIGITS: Final = 18
_ALL_OUT: Final = frozenset({0, _BODILESS})  # octets that are still to come behind a head
_RESET: Final = 205
_OURS: Final = frozenset({b"connection", b"transfer-encoding"})  # fields of the connection, not of the answer


class ServerConnection(Protocol):
    """What an exchange needs of its connection."""

    def write(self, *pieces: bytes | memoryview) -> None:
        """Hand bytes to the transport, all at once."""

    paused: bool  # the peer takes less than we write

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what was written."""

    def read_on(self) -> None:
        """Take more of the body from the peer."""

    def ask_for_body(self) -> None:
        """Let a client that waits to be told send its body."""

    def common_fields(self) -> list[tuple[bytes, bytes]]:
        """Return the fields of every answer."""
        ...

    def may_keep_alive(self, exchange: "Exchange") -> bool:
        """Tell whether the connection goes on after this answer."""
        ...

    def answer_problem(self, exchange: "Exchange", problem: ProblemDetails) -> None:
        """Answer with a problem and close."""

    def finished(self, exchange: "Exchange") -> None:
        """Go on: the answer is complete."""

    def left(self, exchange: "Exchange") -> None:
        """Note that the application has returned, whatever became of its answer."""

    def cut(self, *, reset: bool = False) -> None:
        """End the connection so that the peer cannot take the answer for whole.

        `reset` where an end of the connection is the end of the answer.
        """


class Exchange:
    """The state of one request; the application sees its scope, `receive` and `send`."""

    __slots__ = (
        "_arrived",
        "_chunked",
        "_connection",
        "_gone",
        "_head",
        "_left",
        "begun",
        "body",
        "complete",
        "deaf",
        "disconnected",
        "expects_continue",
        "head",
        "keep_alive",
        "received",
        "started",
        "task",
        "told_end",
    )

    def __init__(self, connection: ServerConnection, head: Head) -> None:
        self._connection = connection
        self._arrived: asyncio.Event | None = None
        self._gone: Callable[[], object] | None = None
        self._head: bytes | None = None
        self._chunked = False
        self._left = 0
        self.head = head
        self.keep_alive = head.keep_alive
        self.expects_continue = head.expects_continue
        self.task: asyncio.Task[None] | None = None
        self.begun = False  # application code has run
        self.body = bytearray()
        self.received = False  # the request's body is here to its end
        self.told_end = False  # and the application knows
        self.started = False  # the first octet of the answer is out
        self.complete = False
        self.deaf = False  # the application has answered, and asks for no more of the body
        self.disconnected = False

    async def run(self, app: Callable[..., Any], scope: dict[str, Any]) -> None:
        """Let the application answer; whatever it does, the connection ends up defined."""
        try:
            if self._connection.paused:  # no answer is begun for a peer that has not taken the one before
                await self._connection.drain()
            if self.disconnected:
                return
            self.begun = True
            await app(scope, self.receive, self.send)
        except BaseException as error:
            if not (isinstance(error, Exception | BaseExceptionGroup) or is_stray(error)):
                # Cancelled, or what the loop shall hear: nobody else would answer.
                self._fail(problems.overloaded())
                raise
            self._tell(error)
            self._fail(problems.problem_of(error))
        else:
            if not (self.complete or self.disconnected):
                _LOGGER.error("the application returned without a complete answer")
                self._fail(problems.internal())
        finally:
            self._connection.left(self)

    def _tell(self, error: BaseException) -> None:
        if self.disconnected:
            return
        if isinstance(error, UpstreamError):  # their fault, not ours (H6)
            _LOGGER.warning("an answer broke off: %s", error)
        else:
            _LOGGER.error("the application failed", exc_info=error)

    def _fail(self, problem: ProblemDetails) -> None:
        if self.complete or self.disconnected:
            return
        if self.started and self._left in _ALL_OUT and not self._chunked:
            self._finish()  # its client has all of it, and may be asking for the next thing already
        elif self.started:
            self._connection.cut(reset=self._left > _ENDLESS // 2)
        else:
            self._connection.answer_problem(self, problem)

    def asked(self) -> RequestOutline:
        """Return what an answer to it says of it, should it be refused."""
        head = self.head
        return RequestOutline(head.fields, head.target.raw_path, head.method == "HEAD")

    def on_gone(self, callback: Callable[[], object]) -> None:
        """Run the callback when the client goes before its answer is complete (D6); the last one given counts."""
        self._gone = callback
        if self.disconnected:
            callback()

    def disconnect(self) -> None:
        """Note that the client has gone."""
        if self.complete or self.disconnected:
            return
        self.disconnected = True
        self.wake()
        if self._gone is not None:
            self._gone()

    def wake(self) -> None:
        """Let `receive` look again."""
        if self._arrived is not None:
            self._arrived.set()

    async def receive(self) -> dict[str, Any]:
        """Return the next piece of the request's body, or that the client has gone."""
        if self.expects_continue and not (self.started or self.disconnected):
            self.expects_continue = False
            self._connection.ask_for_body()
        while not (self.disconnected or self.complete):
            if self.body or (self.received and not self.told_end):
                return self._piece()
            if self._arrived is None:
                self._arrived = asyncio.Event()
            self._connection.read_on()
            self._arrived.clear()
            await self._arrived.wait()
        return {"type": "http.disconnect"}

    def _piece(self) -> dict[str, Any]:
        body, self.body = bytes(self.body), bytearray()
        self.told_end = self.received
        return {"type": "http.request", "body": body, "more_body": not self.received}

    async def send(self, message: dict[str, Any]) -> None:
        """Take the application's answer, piece by piece."""
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body":
            more = message.get("more_body", False)
            body = message.get("body", b"")
            body = self._checked(body if type(body) is bytes else _octets(body), more)
            if len(body) > _PIECE:
                if not more:
                    self._stop_listening()
                body = await self._write_all_but_the_last(memoryview(body))
            if not self.disconnected:
                self._write(body, more)
            if self._connection.paused:
                await self._connection.drain()
        elif kind == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"an HTTP answer has no {kind!r}")

    def _start(self, status: int, headers: Any) -> None:  # noqa: ANN401 - ASGI: an iterable of pairs
        if self.complete or self._head is not None:
            raise RuntimeError("an answer starts once")
        if status not in STATUS_LINES:
            # H6: a status that cannot be is somebody's garble, not a crash (uvicorn: KeyError for 999).
            self._connection.answer_problem(self, problems.upstream_garbled())
            self.disconnected = True
            return
        connection = self._connection
        # RFC 9112 9.3: with a body unread, the next request cannot be found.
        self.keep_alive = self.keep_alive and self.received and connection.may_keep_alive(self)
        fields = [*headers]
        named = dict(reversed(fields))  # the first of each name
        if not FIELD_NAMES.are_known(named):  # those are in lower case
            fields = [(name.lower(), value) for name, value in fields]
            named = dict(reversed(fields))
        length = named.get(b"content-length")
        if status == _RESET:
            fields = _without_length(fields)
        elif length is not None and (status == 204 or len(named) < len(fields) or not _is_length(length)):
            fields = _with_one_length(fields, status)
        if b"date" not in named:
            fields[:0] = connection.common_fields()
        if not _OURS.isdisjoint(named):
            fields = self._taken_over(fields)
        fields += self._framing(status, length)
        self._head = head_of(status, fields) + b"\r\n"

    def _taken_over(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the fields without those that are ours to say; the application may ask for the connection's end."""
        if any(name == b"connection" and b"close" in value.lower() for name, value in fields):
            self.keep_alive = False
        return [field for field in fields if field[0] not in _OURS]

    def _framing(self, status: int, length: bytes | None) -> list[tuple[bytes, bytes]]:
        """Decide how the body ends, and return the fields that say so."""
        framing: list[tuple[bytes, bytes]] = []
        self._chunked, self._left = False, 0  # a start that could not be written may have said otherwise
        if self.head.method == "HEAD" or status in {204, 304}:
            self._left = _BODILESS
        elif status == _RESET:  # RFC 9110 15.3.6: no content, but unlike 204 it is framed as if there were
            self._left = _BODILESS
            framing.append((b"content-length", b"0"))
        elif length is not None:
            self._left = int(length)
        elif self.head.version == "1.0":
            self._left, self.keep_alive = _ENDLESS, False
        else:
            self._chunked = True
            framing.append((b"transfer-encoding", b"chunked"))
        if not self.keep_alive:
            framing.append((b"connection", b"close"))
        return framing

    def _checked(self, body: bytes | memoryview, more: bool) -> bytes | memoryview:
        """Return what is to be sent of a body, and hold the application to its Content-Length before any is out."""
        if self._head is None or self.complete:
            raise RuntimeError("a body comes after a start and before an end")
        if self._left == _BODILESS:
            return b""
        if not self._chunked:
            left = self._left - len(body)
            if left < 0 or (not more and 0 < left < _ENDLESS // 2):
                raise RuntimeError("the body's length is not its Content-Length")
            self._left = left
        return body

    def _stop_listening(self) -> None:
        """Drop what comes of the body: the answer is all here, and a client that sends before it reads would wait."""
        self.deaf = True
        self.body.clear()
        self._connection.read_on()

    async def _write_all_but_the_last(self, body: memoryview) -> memoryview:
        """Write piece by piece, as the peer takes them: a body that others share is never copied whole for a peer."""
        try:
            while len(body) > _PIECE and not self.disconnected:
                self._write(body[:_PIECE], more=True)
                body = body[_PIECE:]
                if self._connection.paused:
                    await self._connection.drain()
        except asyncio.CancelledError:
            self._give_up()
            raise
        return body

    def _give_up(self) -> None:
        """End the connection where a part of a piece is out: whatever followed would be taken for the rest."""
        if not self.disconnected:
            self._connection.cut(reset=self._left > _ENDLESS // 2)
            self.disconnected = True
            self.wake()

    def _write(self, body: bytes | memoryview, more: bool) -> None:
        pieces = self._framed(body, more)
        if not self.started:
            self.started = True
            pieces = (self._head or b"", *pieces)
        if len(body) > _COPIED:
            self._connection.write(*pieces)
        elif data := b"".join(pieces):
            self._connection.write(data)
        if not more:
            self._finish()

    def _finish(self) -> None:
        self.complete = True
        self.wake()
        self._connection.finished(self)

    def _framed(self, body: bytes | memoryview, more: bool) -> tuple[bytes | memoryview, ...]:
        if not self._chunked:
            return (body,)
        end = b"" if more else b"0\r\n\r\n"
        return (b"%x\r\n" % len(body), body, b"\r\n" + end) if body else (end,)


def _is_length(said: bytes) -> bool:
    """Tell whether a Content-Length is one; no body is longer than eighteen digits say."""
    return len(said) <= _DIGITS and said.isdigit()


def _with_one_length(fields: list[tuple[bytes, bytes]], status: int) -> list[tuple[bytes, bytes]]:
    """Return the fields with one Content-Length, none for a 204 (RFC 9110 8.6); raises ValueError if it is in doubt."""
    said = {value.strip(b" \t") for name, value in fields if name == b"content-length"}
    length = said.pop()
    if said or not _is_length(length):
        raise ValueError("an answer has one length, a whole number")
    others = _without_length(fields)
    return others if status == 204 else [(b"content-length", length), *others]


def _without_length(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [field for field in fields if field[0] != b"content-length"]


def _octets(body: object) -> bytes | memoryview:
    """Return a body that is not bytes as what is counted in octets and does not change; raises TypeError for text."""
    if isinstance(body, memoryview):
        return body if body.nbytes == len(body) and body.c_contiguous else bytes(body)
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    raise TypeError(f"the body of an answer is bytes, not {type(body).__name__}")
