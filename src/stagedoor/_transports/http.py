"""Our HTTP/1.1 client: the innermost Send of most upstreams.

    writer (bytes) ─▶ pool ─▶ connection ─▶ upstream ─▶ connection ─▶ reader (judged) ─▶ HttpResponse or an error

`wire` decides, `pool` and `connection` hold what is open, this file is the thin shell: it writes the request, waits
for the answer, makes the one transparent second try that R1 allows, and tells failures in the words of `errors`.

It follows no redirects, obeys no proxy variables, keeps no cookies, and decompresses only if asked to.
No detail of an error names a host, port or path (T21); such facts are in its cause.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, Callable, Mapping

from stagedoor import _context as context
from stagedoor._call import Call
from stagedoor._clock import Clock, SystemClock
from stagedoor._requests import BodyStream, Headers, HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor._transports.body import Body
from stagedoor._transports.connection import Connection
from stagedoor._transports.failures import Disconnected, Failure, translated
from stagedoor._transports.inflate import ACCEPTED, inflated
from stagedoor._transports.limits import Limits
from stagedoor._transports.origin import read_base
from stagedoor._transports.pool import Origin, Pool, PoolOptions, PoolStatistics
from stagedoor._transports.statuses import refusal
from stagedoor._transports.wire import RequestWriter, lines_to_send
from stagedoor.errors import UpstreamRejected, UpstreamTimeout

__all__ = ["HttpTransport"]


class HttpTransport:
    """A `Transport` for HTTP/1.1 over TCP, TLS or a Unix socket.

    `base_url` is `http://host:port/prefix`, `https://...` or `unix:/path`; the prefix is put in front of every target
    as it stands. Times are seconds: `connect_timeout` covers look-up, connection and TLS together. `ssl_context`
    replaces the system's trust. `decompress` asks for gzip or deflate and decodes whole bodies, bounded (T12).

    Statuses are always judged (`statuses.refusal`): from 400 on `send` raises, and `error.response` is the answer,
    its body whole even if a stream was asked for. A request that cannot be written (control characters in a field,
    a target with spaces) is `UpstreamRejected` without a response, before a byte goes out.

    A streamed answer is bound to the deadline until its head is there; from then on to `options.rest` between two
    moves (D3), those of an upload that goes on among them. Whoever gets the stream reads it to its end or calls
    `aclose`.

    A body that ends with its connection is whole after a proper end only: after a reset, or TLS without close_notify,
    it is garbled (RFC 9112 8). A connection is not kept after a 408, nor after a 204, a 304 or an answer to HEAD that
    speaks of a body, which might come yet (RFC 9112 6.3).
    """

    __slots__ = ("_clock", "_decompress", "_limits", "_now", "_pool", "_writer", "address", "host")

    def __init__(
        self,
        base_url: str,
        *,
        pool_size: int = 100,
        connect_timeout: float = 0.05,
        options: PoolOptions | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        via: str = "stagedoor",
        ssl_context: ssl.SSLContext | None = None,
        decompress: bool = False,
    ) -> None:
        base = read_base(base_url)
        self.host = base.host  # "" for a socket of this machine
        self.address = base.address
        self._clock = clock or SystemClock()
        self._now = self._clock.now
        self._writer = RequestWriter(base.authority, base.prefix, via.encode())
        self._decompress = decompress
        self._limits = limits or Limits()
        self._pool = Pool(
            Origin(host=base.host, port=base.port, path=base.socket, tls=base.tls(ssl_context)),
            options or PoolOptions(size=pool_size, connect=connect_timeout),
            self._limits,
            self._clock,
        )

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        if call.deadline.at <= self._now():
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        opening = self._opening(call)
        try:
            response = await self._exchange(call, opening)
            if self._decompress and response.stream is None:
                response = inflated(response, self._limits.body)
        except (Failure, OSError) as failure:
            raise translated(call.operation, failure) from failure
        if response.status >= 400:
            refused = refusal(call.operation, response, self._clock.wall())
            if refused is not None:
                raise refused
        if response.stream is not None:
            _name(response.stream, call.operation)
        return response

    def _opening(self, call: Call[HttpRequest]) -> bytes:
        payload, asked = call.payload, context.current()
        write = _asking_for_less if self._decompress and not payload.streamed else lines_to_send
        try:
            lines = write(payload.headers, asked.forward, asked.parent)
            return self._writer.opening(payload.method, payload.target, lines)
        except ValueError as error:
            raise UpstreamRejected(call.operation, "the request cannot be written") from error

    async def _exchange(self, call: Call[HttpRequest], opening: bytes) -> HttpResponse:
        """Send on a pooled connection; once more on a new one if that turned out to be closed and R1 allows it.

        A 408 on a connection that was kept is such a close, said in words (RFC 9110 15.5.9).
        """
        connection = self._pool.take()
        if connection is None:
            connection = await self._pool.acquire(call.deadline.at)
        body = call.payload.body
        if not isinstance(body, bytes):
            return await _upload(connection, body, self._start(connection, call, opening, None))
        pooled = connection.used > 0
        future = self._start(connection, call, opening, body)
        try:
            response = await future
        except asyncio.CancelledError:
            connection.abandon(future)
            raise
        except Disconnected as cut:
            if not (pooled and cut.silent and call.idempotent):
                raise
        else:
            if not (pooled and response.status == 408 and call.idempotent):
                return response
        return await self._again(call, opening, body)

    async def _again(self, call: Call[HttpRequest], opening: bytes, body: bytes) -> HttpResponse:
        context.current().record.calls += 1  # the one before may have been heard
        connection = await self._pool.acquire(call.deadline.at, fresh=True)
        future = self._start(connection, call, opening, body)
        try:
            return await future
        except asyncio.CancelledError:
            connection.abandon(future)
            raise

    def _start(
        self, connection: Connection, call: Call[HttpRequest], opening: bytes, body: bytes | None
    ) -> "asyncio.Future[HttpResponse]":
        """Write the request, or its head if the body is to follow."""
        method, until = call.payload.method, call.deadline.at
        length = None if body is None else len(body)
        head = opening + self._writer.closing(method, length, call.attempt, until - self._now())
        return connection.start(
            head + body if body else head,
            until,
            to_head=method == "HEAD",
            streamed=call.payload.streamed,
            whole=body is not None,
        )

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        await self._pool.aclose()

    def counts(self) -> Mapping[str, int]:
        """Return the connections that serve a call, or are being opened for one (X1)."""
        return {"upstream_connections": self._pool.in_use()}

    def statistics(self) -> PoolStatistics:
        """Return what the pool holds now."""
        return self._pool.statistics()

    def __repr__(self) -> str:
        return f"HttpTransport({self._pool!r})"


def _asking_for_less(headers: Headers, forward: Headers, parent: Callable[[], bytes] | None) -> bytes:
    """Return the lines to send, with the encodings that we can undo in place of any others."""
    name, encodings = ACCEPTED
    kept, forwarded = (
        tuple([field for field in fields if field[0] != name]) for fields in (headers, forward)
    )
    return b"%b: %b\r\n%b" % (name, encodings, lines_to_send(kept, forwarded, parent))


def _name(stream: BodyStream, operation: str) -> None:
    """Let the failures of a stream be told as errors of its call."""
    if isinstance(stream, Body):
        stream.translate = lambda failure: translated(operation, failure)


async def _upload(
    connection: Connection, body: AsyncIterable[bytes], future: "asyncio.Future[HttpResponse]"
) -> HttpResponse:
    """Send a body chunk by chunk while the answer may come early.

    One that is all here, or no success, ends the upload. Behind the head of one that streams it goes on, since the rest
    of the answer may be made of it; then it ends with the connection.
    """
    sender = asyncio.ensure_future(_send_chunks(connection, body))
    try:
        await asyncio.wait((sender, future), return_when=asyncio.FIRST_COMPLETED)
        if sender.done() and not future.done():
            sender.result()  # what the body's source raised is its reader's business
        response = await future
    except BaseException:
        future.cancel()  # nobody will ask how it ended
        connection.abandon(future)
        await _end(sender)
        raise
    if response.stream is None:
        await _end(sender)
    else:
        connection.accompany(sender)
    return response


async def _end(sender: "asyncio.Task[None]") -> None:
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)


async def _send_chunks(connection: Connection, body: AsyncIterable[bytes]) -> None:
    async for chunk in body:
        if connection.closed:
            return
        if chunk:
            await connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            connection.progress()
    connection.finish(b"0\r\n\r\n")
