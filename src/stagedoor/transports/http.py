"""Our HTTP/1.1 client: the innermost Send of most upstreams.

    writer (bytes) ─▶ pool ─▶ connection ─▶ upstream ─▶ connection ─▶ reader (judged) ─▶ HttpResponse or an error

`wire` decides, `pool` and `connection` hold what is open, this file is the thin shell: it writes the request, waits
for the answer, makes the one transparent second try that R1 allows, and tells failures in the words of `errors`.

It follows no redirects, obeys no proxy variables, keeps no cookies, and decompresses only if asked to.
No detail of an error names a host, port or path (T21); such facts are in its cause.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, Mapping

from stagedoor import context
from stagedoor.call import Call
from stagedoor.clock import Clock, SystemClock
from stagedoor.errors import UpstreamRejected, UpstreamTimeout
from stagedoor.requests import HttpRequest, HttpResponse
from stagedoor.transports import keys
from stagedoor.transports.body import Body
from stagedoor.transports.connection import Connection
from stagedoor.transports.failures import Cut, Failure, translated
from stagedoor.transports.limits import Limits
from stagedoor.transports.origin import read_base
from stagedoor.transports.pool import Origin, Pool, PoolOptions, PoolStatistics
from stagedoor.transports.statuses import refusal
from stagedoor.transports.wire import Writer, fields_to_send

__all__ = ["HttpTransport"]


class HttpTransport:
    """A `Transport` for HTTP/1.1 over TCP, TLS or a Unix socket.

    `base_url` is `http://host:port/prefix`, `https://...` or `unix:/path`; the prefix is put in front of every target
    as it stands. Times are seconds: `connect_timeout` covers look-up, connection and TLS together. `ssl_context`
    replaces the system's trust.

    Statuses are always judged (`statuses.refusal`): from 400 on `send` raises, and `error.response` is the answer,
    its body whole even if a stream was asked for. A request that cannot be written (control characters in a field,
    a target with spaces) is `UpstreamRejected` without a response, before a byte goes out.

    A streamed answer is bound to the deadline until its head is there; from then on to `options.rest` between two
    moves (D3). Whoever gets the stream reads it to its end or calls `aclose`.
    """

    __slots__ = ("_clock", "_now", "_pool", "_writer")

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
    ) -> None:
        base = read_base(base_url)
        self._clock = clock or SystemClock()
        self._now = self._clock.now
        self._writer = Writer(base.authority, base.prefix, via.encode())
        self._pool = Pool(
            Origin(host=base.host, port=base.port, path=base.socket, tls=base.tls(ssl_context)),
            options or PoolOptions(size=pool_size, connect=connect_timeout),
            limits or Limits(),
            self._clock,
        )

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        payload = call.payload
        if call.deadline.at <= self._now():
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        try:
            opening = self._writer.opening(
                payload.method, payload.target, fields_to_send(payload.headers, context.current().forward)
            )
        except ValueError as error:
            raise UpstreamRejected(call.operation, "the request cannot be written") from error
        try:
            response = await self._exchange(call, opening)
        except (Failure, OSError) as failure:
            raise translated(call.operation, failure) from failure
        if response.status >= 400:
            refused = refusal(call.operation, response, self._clock.wall())
            if refused is not None:
                raise refused
        stream = response.stream
        if isinstance(stream, Body):
            operation = call.operation
            stream.translate = lambda failure: translated(operation, failure)
        return response

    async def _exchange(self, call: Call[HttpRequest], opening: bytes) -> HttpResponse:
        """Send on a pooled connection; once more on a new one if that turned out to be closed and R1 allows it."""
        connection = self._pool.take(silent=not call.idempotent)
        if connection is None:
            connection = await self._pool.acquire(call.deadline.at)
        pooled = connection.used > 0
        try:
            return await self._once(connection, call, opening)
        except Cut as cut:
            if not (pooled and cut.silent and call.idempotent and isinstance(call.payload.body, bytes)):
                raise
        connection = await self._pool.acquire(call.deadline.at, fresh=True)
        return await self._once(connection, call, opening)

    async def _once(self, connection: Connection, call: Call[HttpRequest], opening: bytes) -> HttpResponse:
        payload, until = call.payload, call.deadline.at
        method, body = payload.method, payload.body
        length = len(body) if isinstance(body, bytes) else None
        closing = self._writer.closing(method, length, call.attempt, until - self._now())
        future = connection.start(
            opening + closing + body if isinstance(body, bytes) else opening + closing,
            until,
            to_head=method == "HEAD",
            streamed=payload.streamed,
            whole=length is not None,
        )
        try:
            if isinstance(body, bytes):
                return await future
            return await _upload(connection, body, future)
        except asyncio.CancelledError:
            connection.abandon(future)
            raise

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


async def _upload(
    connection: Connection, body: AsyncIterable[bytes], future: "asyncio.Future[HttpResponse]"
) -> HttpResponse:
    """Send a body chunk by chunk while the answer may come early; an early answer ends the upload."""
    sender = asyncio.ensure_future(_send_chunks(connection, body))
    try:
        await asyncio.wait((sender, future), return_when=asyncio.FIRST_COMPLETED)
        if sender.done() and not future.done():
            sender.result()  # what the body's source raised is its reader's business
        return await future
    except BaseException:
        connection.abandon(future)
        raise
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


async def _send_chunks(connection: Connection, body: AsyncIterable[bytes]) -> None:
    async for chunk in body:
        if connection.closed:
            return
        if chunk:
            await connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    connection.finish(b"0\r\n\r\n")
