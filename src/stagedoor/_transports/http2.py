"""Upstreams that speak HTTP/2, or need another client, through pyreqwest (the extra `http2`).

What differs from `HttpTransport`: a target that its URL rules would rewrite (dot segments, `"`, `<`, a backslash) is
refused before it goes out, so that what goes out is still what was keyed and authorised (T8); bare LF is taken as a
line end; bytes above 0x7F in a field cannot be read and count as garbled; a flood of interim answers ends by the
deadline only; a 408 is told, on a kept connection too; a body that a 204, a 304 or an answer to HEAD brings late spoils
the next answer; addresses are asked for by pyreqwest itself; connections are counted by their calls.

One connection carries all calls of HTTP/2, so what one of them does must not reach the others: bodies that nobody reads
fill their own windows, which add up to no more than the connection's; and a connection on which nothing moves is asked
whether it lives.

Known gaps of the library: a request that the upstream says it has not begun (REFUSED_STREAM, or above the last stream
of a GOAWAY without error) goes out again, twice at most, whatever its method (RFC 9113 8.7), and no budget counts it;
an upload that waits for the window of the upstream is not reset when its call ends, and holds its stream until that
reads on or ends it; a body without a length that is cut by a reset with NO_ERROR counts as whole.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from stagedoor import _context as context
from stagedoor._call import Call
from stagedoor._clock import Clock, SystemClock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor._transports.failures import Garbled
from stagedoor._transports.limits import Limits
from stagedoor._transports.origin import read_base
from stagedoor._transports.reader import ReadStage, framing
from stagedoor._transports.statuses import refusal
from stagedoor._transports.wire import check_request, fields_to_send, own_fields
from stagedoor.errors import (
    ConfigError,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

if TYPE_CHECKING:
    from pyreqwest.client import ClientBuilder
    from pyreqwest.request import StreamRequest
    from pyreqwest.response import Response

__all__ = ["Http2Transport"]

_WINDOW = 256 * 1024  # bytes of one body that wait to be read
_WIDEST = 2**31 - 1  # RFC 9113 6.9.1


class Http2Transport:
    """A `Transport` over pyreqwest; HTTP/2 where TLS agrees on it, or at once with `prior_knowledge`.

    Times are seconds. `trust` is a PEM certificate to trust besides the usual ones; `rest` is how long a streamed
    body may go without moving. A connection of HTTP/2 that has calls and brings nothing for a quarter of it is sent a
    PING, and given up when nothing has come for another quarter. Errors and statuses are those of `HttpTransport`.
    """

    __slots__ = ("_base", "_client", "_clock", "_limits", "_open", "_places", "_rest", "_via", "address")

    def __init__(
        self,
        base_url: str,
        *,
        pool_size: int = 100,
        connect_timeout: float = 0.05,
        limits: Limits | None = None,
        clock: Clock | None = None,
        via: str = "stagedoor",
        trust: bytes | None = None,
        prior_knowledge: bool = False,
        rest: float = 20.0,
    ) -> None:
        base = read_base(base_url)
        self.address = base.address
        if base.scheme == "unix":
            raise ConfigError("Http2Transport: Unix sockets need HttpTransport")
        self._base = f"{base.scheme}://{base.authority.decode()}{base.prefix.decode()}"
        self._limits = limits or Limits()
        builder = _builder(pool_size, connect_timeout, trust)
        builder = _framed(builder, pool_size, rest / 4, self._limits.head)
        self._client = (builder.http2_prior_knowledge() if prior_knowledge else builder).build()
        self._clock = clock or SystemClock()
        self._via = via.encode()
        self._rest = rest
        self._open = 0
        self._places = asyncio.Semaphore(pool_size)

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        if not call.deadline.remaining(self._clock.now()):
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        async with AsyncExitStack() as stack:
            await self._take_place(call)
            stack.callback(self._close)
            body = call.payload.body
            upload = None if isinstance(body, bytes) else _Upload(body)
            request = self._build(call, upload)
            if upload is not None:
                stack.push_async_callback(upload.end)
            headed = False
            try:
                with TimeoutScope(self._clock, call.deadline):
                    answer = await stack.enter_async_context(request)
                    headed = True
                    response = await self._receive(call, answer)
            except Exception as error:
                if upload is not None and upload.failure is not None:
                    raise upload.failure from error  # what the body's source raised is its reader's business
                raise _translated(call.operation, error, headed) from error
            if response.stream is None:
                refused = refusal(call.operation, response, self._clock.wall())
                if refused is not None:
                    raise refused
                return response
            if isinstance(response.stream, _Http2Body):
                response.stream.stack = stack.pop_all()
            return response

    async def _take_place(self, call: Call[HttpRequest]) -> None:
        """Wait in line, here and not in pyreqwest: who finds no place in time tells of our shortage (C9)."""
        try:
            with TimeoutScope(self._clock, call.deadline):
                await self._places.acquire()
        except TimeoutError as error:
            raise Overloaded(call.operation, "no connection came free in time") from error
        self._open += 1

    def _close(self) -> None:
        self._open -= 1
        self._places.release()

    def _build(self, call: Call[HttpRequest], upload: "_Upload | None") -> "StreamRequest":
        payload = call.payload
        fields = [
            *fields_to_send(payload.headers, context.forwarded()),
            *own_fields(self._via, call.attempt, call.deadline.remaining(self._clock.now())),
        ]
        try:
            check_request(payload.method, payload.target, fields)
            builder = self._client.request(
                payload.method, _exact(self._base + payload.target.decode("ascii"))
            )
            builder = builder.headers(
                [(name.decode("ascii"), value.decode("ascii")) for name, value in fields]
            )
            if upload is not None:
                builder = builder.body_stream(upload)
            elif isinstance(payload.body, bytes) and payload.body:
                builder = builder.body_bytes(payload.body)
            if payload.streamed:
                builder = builder.streamed_read_buffer_limit(0)  # else the head waits for 64 KiB of body
            return builder.build_streamed()
        except ValueError as error:
            raise UpstreamRejected(call.operation, "the request cannot be written") from error

    async def _receive(self, call: Call[HttpRequest], response: "Response") -> HttpResponse:
        payload, status = call.payload, response.status
        headers = _fields(response)
        if not 200 <= status <= 599:
            raise Garbled("an impossible status")
        if len(headers) > self._limits.fields:
            raise Garbled("too many header fields")
        to_head = payload.method == "HEAD"
        stage, length, _ = framing(status, headers, to_head=to_head, old=False)
        pieces = _Pieces(response, length if stage == ReadStage.COUNTED else None)
        pieces.bare = to_head or status in (204, 304)
        if payload.streamed and status < 400:
            return HttpResponse(
                status=status, headers=headers, stream=_Http2Body(pieces, call.operation, self)
            )
        chunks, size = [], 0
        while (chunk := await pieces.take()) is not None:
            size += len(chunk)
            if size > self._limits.body:
                raise Garbled("the body is too large")
            chunks.append(chunk)
        return HttpResponse(status=status, headers=headers, body=b"".join(chunks))

    def resting(self) -> TimeoutScope:
        """Return a guard for one move of a stream."""
        return TimeoutScope(self._clock, DueTime(self._clock.now() + self._rest))

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    def counts(self) -> Mapping[str, int]:
        """Return the calls under way (X1)."""
        return {"upstream_connections": self._open}

    async def aclose(self) -> None:
        await self._client.close()

    def __repr__(self) -> str:
        return f"Http2Transport({self._open} in use)"


class _Upload:
    """A request body that ends with its call: pyreqwest would read on for nobody, and send it (X1)."""

    __slots__ = ("_chunks", "_next", "failure")

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._chunks: AsyncIterator[bytes] | None = aiter(body)  # None once the call is over
        self._next: asyncio.Future[bytes] | None = None
        self.failure: Exception | None = None  # what the source raised

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._chunks is None:
            raise ConnectionAbortedError("the call is over")
        self._next = asyncio.ensure_future(anext(self._chunks))
        try:
            return await self._next
        except asyncio.CancelledError as error:
            if self._chunks is None:
                raise ConnectionAbortedError("the call is over") from error
            raise
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.failure = error
            raise

    async def end(self) -> None:
        """Read no more of it: what pyreqwest waits for fails, and so its stream ends."""
        chunks, self._chunks = self._chunks, None
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


class _Pieces:
    """A body as it comes, held to what its head says of it: `bare` has none, `left` is what its length still promises.

    A reset that means no error (RFC 9113 8.1) ends a body for pyreqwest, however little of it has come.
    """

    __slots__ = ("_left", "_reader", "bare")

    def __init__(self, response: "Response", left: int | None) -> None:
        self._reader = response.body_reader
        self._left = left
        self.bare = False

    async def take(self) -> bytes | None:
        """Return the next piece, None behind the last."""
        chunk = await self._reader.read_chunk()
        if chunk is None and self._left:
            raise Garbled("a body shorter than its length")
        if chunk is None or self.bare:
            return None
        if self._left is not None:
            self._left -= len(chunk)
        return bytes(chunk)


class _Http2Body:
    """A `BodyStream` over pyreqwest's reader, which reads no faster than it is asked to."""

    __slots__ = ("_failure", "_operation", "_pieces", "_transport", "stack")

    def __init__(self, pieces: _Pieces, operation: str, transport: Http2Transport) -> None:
        self._pieces = pieces
        self._operation = operation
        self._transport = transport
        self._failure: UpstreamError | None = None
        self.stack: AsyncExitStack | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        if self.stack is None:
            raise StopAsyncIteration
        try:
            with self._transport.resting():
                chunk = await self._pieces.take()
        except Exception as error:
            await self.aclose()
            self._failure = _translated(self._operation, error, headed=True)
            raise self._failure from error
        if chunk is None:
            await self.aclose()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        stack, self.stack = self.stack, None
        if stack is not None:
            await stack.aclose()


def _builder(pool_size: int, connect_timeout: float, trust: bytes | None) -> "ClientBuilder":
    try:
        from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ConfigError("Http2Transport needs the extra: pip install stagedoor[http2]") from error
    builder = (
        ClientBuilder()
        .follow_redirects(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .referer(False)
        .no_proxy()
        .max_connections(pool_size)
        .connect_timeout(timedelta(seconds=connect_timeout))
        .http1_lower_case_headers()
        .http2(True)
    )
    return builder if trust is None else builder.add_root_certificate_pem(trust)


def _framed(builder: "ClientBuilder", pool_size: int, quiet: float, head: int) -> "ClientBuilder":
    return (
        builder.http2_initial_stream_window_size(_WINDOW)
        .http2_initial_connection_window_size(min(pool_size * _WINDOW, _WIDEST))
        .http2_keep_alive_interval(timedelta(seconds=quiet))
        .http2_keep_alive_timeout(timedelta(seconds=quiet))
        .http2_max_header_list_size(head)
    )


def _exact(url: str) -> str:
    from pyreqwest.http import Url  # noqa: PLC0415 - loaded with the client

    parsed = Url(url)
    target = url.split("/", 3)[3]
    if "#" in url or f"{parsed.path}{'?' if '?' in url else ''}{parsed.query_string or ''}" != f"/{target}":
        raise ValueError("the target would be rewritten")
    return url


def _fields(response: "Response") -> Headers:
    try:
        return tuple(
            (name.lower().encode("ascii"), value.encode("ascii")) for name, value in response.headers.items()
        )
    except ValueError as error:  # bytes above 0x7F
        raise Garbled("a header field that cannot be read") from error


def _translated(operation: str, error: Exception, headed: bool) -> UpstreamError:
    from pyreqwest import exceptions  # noqa: PLC0415 - loaded with the client

    match error:
        case Garbled():
            return UpstreamGarbled(operation, str(error))
        case TimeoutError():
            return UpstreamTimeout(operation, retryable=True)
    said = str(error)
    if headed or _BROKEN in said or isinstance(error, exceptions.DecodeError | exceptions.ReadError):
        return UpstreamGarbled(operation, "broken framing, or cut", retryable=_OF_ALL in said and not headed)
    return _unreachable(operation, said)


def _unreachable(operation: str, said: str) -> UpstreamError:
    if "os error 24" in said:  # EMFILE: our own shortage
        return Overloaded(operation, "no descriptor left")
    why = next((told for mark, told in _MARKS.items() if mark in said), "could not be reached")
    return UpstreamUnavailable(operation, why, retryable="certificate" not in said)


# The library tells its reasons as text only. What it detects, the upstream did against the rules of HTTP/2; where that
# ends the whole connection, it may have been in the answer to another call, and another attempt may help.
_BROKEN, _OF_ALL = "error detected: ", "connection error detected: "
_MARKS = {
    "certificate": "its certificate is not trusted",
    "os error 111": "refused the connection",
    "os error 104": "reset the connection",
    "dns error": "its name cannot be resolved",
}
