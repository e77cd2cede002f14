"""One connection to an upstream: an asyncio protocol that has at most one call in flight.

The call waits on a future. Bytes go to a `ResponseReader`; when it is done, the connection goes back to its pool at
once, before the caller wakes. Whatever else happens (an error, a cancellation, a byte out of turn) ends in `close`:
a connection is used again only if everything about it is known.

Time costs one timer per connection, not per call: `_moment` is when the present state becomes too old, and a timer
that fires before it is armed again. In a busy pool a deadline is thus an assignment.
"""

import asyncio
import math
import select
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from stagedoor._clock import Clock, Timer
from stagedoor._requests import BodyStream, HttpResponse
from stagedoor._transports.body import Body
from stagedoor._transports.failures import Disconnected, Failure, Garbled, Late
from stagedoor._transports.limits import Limits
from stagedoor._transports.reader import ReadStage, ResponseReader

__all__ = ["Connection", "PoolCallbacks"]

_HEAD, _DONE = ReadStage.HEAD, ReadStage.DONE
_STALL = 0.005  # seconds a timer may be late before it is the loop that was busy


class PoolCallbacks(Protocol):
    """Where connections live: a `Pool`."""

    def give_back(self, connection: "Connection", /) -> None:
        """Take back a connection whose answer is complete."""

    def forget(self, connection: "Connection", /) -> None:
        """Take note that a connection is closed."""


class Connection(asyncio.Protocol):
    """A connection that is idle, or has one call in flight; `closed` is final."""

    __slots__ = (
        "_bare_at", "_body", "_clock", "_create_future", "_future", "_home", "_idle", "_moment", "_paused", "_reader",
        "_sent_all", "_streamed", "_timer", "_timer_at", "_transport", "_upload", "_writable", "_write", "born",
        "closed", "poll", "used",
    )  # fmt: skip

    def __init__(self, home: PoolCallbacks, limits: Limits, clock: Clock, idle: float) -> None:
        self._home = home
        self._clock = clock
        self._idle = idle  # seconds a stream may rest
        self._reader = ResponseReader(limits)
        self._future: asyncio.Future[HttpResponse] | None = None
        self._body: Body | None = None
        self._upload: asyncio.Task[None] | None = None  # of a request whose answer has begun
        self._transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], None]  # the transport's
        # Asked once: before Python 3.12 each look for the running loop costs a system call.
        self._create_future = asyncio.get_running_loop().create_future
        self._timer: Timer | None = None
        self._timer_at = self._moment = math.inf
        self._bare_at = -1  # the last of the answers that could have no body
        self._streamed = False
        self._sent_all = True
        self._paused = False
        self._writable: asyncio.Future[None] | None = None
        # Asks the kernel whether there is anything to read: a close, or bytes that nobody has asked for yet. It is the
        # poller's own, since a method round it would be felt.
        self.poll: Callable[[int], list[tuple[int, int]]]
        self.born = clock.now()
        self.closed = False
        self.used = 0  # answers received

    # -- what callers do

    def start(
        self, data: bytes, until: float, *, to_head: bool = False, streamed: bool = False, whole: bool = True
    ) -> "asyncio.Future[HttpResponse]":
        """Send a request, or its first bytes; the future brings the answer or a `Failure` by `until`."""
        self._reader.begin(to_head=to_head, streamed=streamed)
        self._streamed = streamed
        self._sent_all = whole
        self._future = future = self._create_future()
        self._moment = until
        if until < self._timer_at:
            self._arm(until)
        self._write(data)
        return future

    async def write(self, data: bytes) -> None:
        """Send more of a request, at the pace of the upstream; nothing is sent once the connection is closed."""
        if self._writable is not None:
            await self._writable
        if not self.closed:
            self._write(data)

    def finish(self, data: bytes) -> None:
        """Send the last bytes of a request."""
        self._sent_all = True
        if not self.closed:
            self._write(data)

    def accompany(self, upload: "asyncio.Task[None]") -> None:
        """Let an upload go on beside its answer; it ends with the connection, and one that fails ends the answer."""
        if self.closed:
            upload.cancel()
        self._upload = upload
        upload.add_done_callback(self._uploaded)

    def abandon(self, future: "asyncio.Future[HttpResponse]") -> None:
        """Give a call up: the connection is closed if the call still holds it."""
        if self._future is future or (self._body is not None and _stream_of(future) is self._body):
            self.close()

    def keep_until(self, moment: float) -> None:
        """Let the present state last until a moment, no longer."""
        self._moment = moment
        if moment < self._timer_at:
            self._arm(moment)

    def close(self, failure: Failure | None = None) -> None:
        """Drop the connection, now; a call in flight ends with the failure."""
        if not self.closed:
            self.closed = True
            self._disarm()
            if self._transport is not None:
                self._transport.abort()
            self._release_writer()
            if self._upload is not None:
                self._upload.cancel()
            self._end(
                failure or Disconnected(silent=not self._reader.started, headless=self._reader.headless)
            )
            self._home.forget(self)

    # -- what a stream does

    def pause(self) -> None:
        """Stop reading, so that the upstream has to wait."""
        if not self._paused and not self.closed:
            self._paused = True
            cast(asyncio.Transport, self._transport).pause_reading()

    def resume(self) -> None:
        """Read on; the time the stream may rest starts anew."""
        if self._paused and not self.closed:
            self._paused = False
            cast(asyncio.Transport, self._transport).resume_reading()
        self.progress()

    def progress(self) -> None:
        """Note that the stream in flight has moved."""
        if self._body is not None:
            self.keep_until(self._clock.now() + self._idle)

    # -- what the loop does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._write = self._transport.write
        poller = select.poll()
        poller.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.poll = poller.poll
        if self.closed:  # given up while connecting
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if self._future is None and self._body is None:
            self.close()  # an idle connection has nothing to say (T7)
            return
        try:
            reader.feed(data)
        except Garbled as failure:
            # Where the answer before could have no body, this may be the one it must not have (RFC 9112 6.3): then no
            # octet of this answer has come.
            leftover = reader.headless and self._bare_at == self.used
            self.close(Disconnected(silent=True, headless=True) if leftover else failure)
            return
        if reader.stage == _DONE:
            self._complete()
        elif self._streamed and reader.stage != _HEAD:
            self._deliver()

    def eof_received(self) -> None:
        self._ended(properly=_closed_properly(cast(asyncio.Transport, self._transport)))

    def connection_lost(self, exc: Exception | None) -> None:
        # Whatever was announced came by `eof_received`. uvloop tells of a TLS end without close_notify only here, and
        # without an exception.
        self._ended(properly=False)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._create_future()

    def resume_writing(self) -> None:
        self._release_writer()

    # -- inside

    def _uploaded(self, upload: "asyncio.Task[None]") -> None:
        if self._upload is upload:
            self._upload = None
        if not upload.cancelled() and upload.exception() is not None:
            self.close()

    def _ended(self, *, properly: bool) -> None:
        if self.closed:
            return
        if self._future is not None or self._body is not None:
            try:
                self._reader.close(properly=properly)
            except Disconnected as failure:
                self.close(failure)
                return
            self._complete()
        self.close()

    def _deliver(self) -> None:
        """Hand on what has come of a streamed answer."""
        future, reader = self._future, self._reader
        if reader.status >= 400:
            return  # the body of a refusal is read whole: the error carries it, and nobody has to close it
        if future is not None:
            if future.done():
                self.close()
                return
            self._future = None
            self._body = Body(self)
            future.set_result(HttpResponse(status=reader.status, headers=reader.headers, stream=self._body))
        if self._body is not None:
            self.progress()
            self._body.push(reader.take_piece())

    def _complete(self) -> None:
        """Let go of the answer that is complete, then of its caller."""
        future, reader = self._future, self._reader
        if self._streamed and reader.status < 400:
            self._deliver()
            body, self._body = self._body, None
            if body is not None:
                body.end(None)
        elif future is not None:
            self._future = None
            if not future.done():
                future.set_result(
                    HttpResponse(status=reader.status, headers=reader.headers, body=reader.take())
                )
            else:
                reader.keep = False
        self.used += 1
        if reader.bare:
            self._bare_at = self.used
            # The length of an answer to HEAD is mostly true, but what it is of would be the next answer.
            reader.keep = reader.keep and not reader.owing
        if reader.keep and self._sent_all and self._writable is None and not self.closed:
            if self._paused:
                self.resume()
            self._home.give_back(self)
        else:
            self.close()

    def _end(self, failure: Failure) -> None:
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_exception(failure)
        body, self._body = self._body, None
        if body is not None:
            body.end(failure)

    def _release_writer(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def _arm(self, moment: float) -> None:
        self._disarm()
        self._timer_at = moment
        self._timer = self._clock.call_at(moment, self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = math.inf

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = math.inf
        now = self._clock.now()
        if now < self._moment:
            if self._moment != math.inf:
                self._arm(self._moment)
        elif now - self._moment > _STALL and self._has_unread():
            # The loop was held up: the answer may be there, only nobody has looked yet.
            self.keep_until(now + _STALL)
        else:
            self.close(Late())

    def _has_unread(self) -> bool:
        return self._transport is not None and bool(self.poll(0))


def _closed_properly(transport: asyncio.Transport) -> bool:
    """Tell whether the end of what can be read was said by the other side, and not only by the path to it.

    Over TLS that takes a close_notify (RFC 9112 9.8); a bare end of TCP anybody on the way can send. The TLS object
    reads an end only after the one, and wants more after the other.
    """
    tls = cast(ssl.SSLObject | None, transport.get_extra_info("ssl_object"))
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLError as error:
        return isinstance(error, ssl.SSLZeroReturnError)


def _stream_of(future: "asyncio.Future[HttpResponse]") -> BodyStream | None:
    """Return the stream that a call was answered with, if it was."""
    if not future.done() or future.cancelled() or future.exception() is not None:
        return None
    return future.result().stream
