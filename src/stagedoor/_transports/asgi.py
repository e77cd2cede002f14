"""Calls an ASGI application in this process: the same seam as a network upstream, without the network.

The application runs as a task of its own, in an empty context: like a remote it sees the request's bytes and nothing
of the caller's ambient values. Its answer is judged as strictly as one from a socket. Lifespan is not run here.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from urllib.parse import unquote_to_bytes

from stagedoor import _context as context
from stagedoor._asgi import Application, Message
from stagedoor._call import Call
from stagedoor._clock import Clock, SystemClock, Timer
from stagedoor._deadline import TimeoutScope
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor._transports.body import Body
from stagedoor._transports.failures import Disconnected, Failure, Garbled, Late, translated
from stagedoor._transports.limits import Limits
from stagedoor._transports.statuses import refusal
from stagedoor._transports.wire import check_request, fields_to_send, own_fields
from stagedoor.errors import UpstreamError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable

__all__ = ["AsgiTransport"]


class AsgiTransport:
    """A `Transport` that calls an ASGI application; errors and limits are those of `HttpTransport`.

    An application that raises is `UpstreamUnavailable`, not retryable. `rest` is how long a streamed body may go
    without moving, in seconds.
    """

    __slots__ = ("_app", "_clock", "_limits", "_rest", "_running", "_via")

    def __init__(
        self,
        app: Application,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        via: str = "stagedoor",
        rest: float = 20.0,
    ) -> None:
        self._app = app
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._via = via.encode()
        self._rest = rest
        self._running: dict[asyncio.Task[None], _ApplicationCall] = {}

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        remaining = call.deadline.remaining(self._clock.now())
        if not remaining:
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        exchange = self._start(call, remaining)
        try:
            with TimeoutScope(self._clock, call.deadline):
                response = await exchange.answer
        except Failure as failure:
            raise translated(call.operation, failure) from failure
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation, retryable=True) from error
        finally:
            exchange.leave()
        refused = refusal(call.operation, response, self._clock.wall())
        if refused is not None:
            raise refused
        return response

    def _start(self, call: Call[HttpRequest], remaining: float) -> "_ApplicationCall":
        payload = call.payload
        fields = [
            (b"host", b"localhost"),
            *fields_to_send(payload.headers, context.forwarded()),
            *own_fields(self._via, call.attempt, remaining),
        ]
        if isinstance(payload.body, bytes) and payload.body:
            fields.append((b"content-length", b"%d" % len(payload.body)))
        try:
            check_request(payload.method, payload.target, fields)
        except ValueError as error:
            raise UpstreamRejected(call.operation, "the request cannot be written") from error
        exchange = _ApplicationCall(payload, self._limits, self._clock, self._rest, call.operation)
        task = asyncio.get_running_loop().create_task(
            exchange.run(self._app, _scope(payload, fields)), context=contextvars.Context()
        )
        exchange.task = task
        self._running[task] = exchange
        task.add_done_callback(self._running.pop)
        return exchange

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    def counts(self) -> Mapping[str, int]:
        """Return the calls whose answer is not complete (X1); an application may work on behind its answer."""
        return {"upstream_connections": sum(not exchange.over for exchange in self._running.values())}

    async def aclose(self) -> None:
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def __repr__(self) -> str:
        return f"AsgiTransport({len(self._running)} running)"


def _scope(payload: HttpRequest, fields: list[tuple[bytes, bytes]]) -> Message:
    path, _, query = payload.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": payload.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": fields,
        "client": ("127.0.0.1", 0),
        "server": ("localhost", 80),
    }


class _ApplicationCall:
    """One call of the application: its `receive` and `send`, and the answer they make."""

    __slots__ = (
        "_body", "_chunks", "_clock", "_gone", "_head", "_left", "_limits", "_operation", "_payload", "_rest",
        "_rests_until", "_size", "_source", "_timer", "_writable", "answer", "task",
    )  # fmt: skip

    def __init__(
        self, payload: HttpRequest, limits: Limits, clock: Clock, rest: float, operation: str
    ) -> None:
        self._payload = payload
        self._limits = limits
        self._clock = clock
        self._rest = rest
        self._rests_until = 0.0  # once the body flows
        self._timer: Timer | None = None
        self._operation = operation
        self._source: AsyncIterator[bytes] | None = _iterate(payload.body)
        self._gone = asyncio.Event()  # the caller, or the answer, is through
        self._writable = asyncio.Event()
        self._writable.set()
        self._head: tuple[int, Headers] | None = None
        self._left: int | None = None  # bytes of body that Content-Length still promises
        self._size = 0
        self._chunks: list[bytes] = []
        self._body: Body | None = None
        self.answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None]

    async def run(self, app: Application, scope: Message) -> None:
        """Run the application to its end; whatever is missing then is missing for good."""
        try:
            await app(scope, self.receive, self.send)
        except Failure as failure:
            self._fail(failure)
        except Exception as error:  # noqa: BLE001 - a remote may fail in any way
            self._fail(_raised(self._operation, error) if self._head is None else _cut(error))
        finally:  # also of what is no `Exception`: nobody else would tell who waits
            self._fail(None)

    @property
    def over(self) -> bool:
        """Tell whether the answer is complete, or given up."""
        return self._gone.is_set()

    def leave(self) -> None:
        """Let the application go: a caller that has no whole answer, and no stream, has no use for it."""
        if self._body is None and not self._gone.is_set():
            self.close()

    # -- what the application calls

    async def receive(self) -> Message:
        if self._source is None:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        chunk = b""
        try:
            chunk = await anext(self._source)
        except StopAsyncIteration:
            self._source = None
        except Exception as error:
            self._fail(error)  # what the body's source raised is its reader's business
            raise
        self.progress()
        return {"type": "http.request", "body": chunk, "more_body": self._source is not None}

    async def send(self, message: Message) -> None:
        if self._gone.is_set():
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message.get("headers", ()))
        elif message["type"] == "http.response.body":
            await self._add(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self._finish()

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self._head is not None:
            raise Garbled("a second head")
        fields = tuple((bytes(name).lower(), bytes(value)) for name, value in headers)
        if not 200 <= status <= 599:
            raise Garbled("an impossible status")
        if len(fields) > self._limits.fields or sum(map(len, sum(fields, ()))) > self._limits.head:
            raise Garbled("the head is too large")
        try:
            check_request("GET", b"/", fields)
        except ValueError as error:
            raise Garbled("broken framing") from error
        lengths = {value for name, value in fields if name == b"content-length"}
        bodiless = self._payload.method == "HEAD" or status in (204, 304)
        if lengths and not bodiless:
            if len(lengths) > 1 or not min(lengths).isdigit():
                raise Garbled("a length that is no number")
            self._left = int(lengths.pop())
        self._head = (status, fields)

    async def _add(self, data: bytes) -> None:
        if self._head is None:
            raise Garbled("a body without a head")
        status, headers = self._head
        if self._payload.method == "HEAD" or status in (204, 304):
            return
        self._count(len(data))
        if not self._payload.streamed or status >= 400:
            self._size += len(data)
            if self._size > self._limits.body:
                raise Garbled("the body is too large")
            self._chunks.append(data)
            return
        if self._body is None:
            self._open(status, headers)
        if self._body is not None:
            self._body.push(data)
            self.progress()
            await self._writable.wait()

    def _count(self, size: int) -> None:
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise Garbled("bytes after the body")

    def _open(self, status: int, headers: Headers) -> None:
        body = self._body = Body(self)
        operation = self._operation
        body.translate = lambda failure: translated(operation, failure)
        if not self._gone.is_set():
            self.progress()
            self._watch()
        if not self.answer.done():
            self.answer.set_result(HttpResponse(status=status, headers=headers, stream=body))

    def _finish(self) -> None:
        if self._left:
            raise Disconnected(silent=False, headless=False)
        self._end()
        if self._head is not None and self._payload.streamed and self._head[0] < 400 and self._body is None:
            self._open(*self._head)
        if self._body is not None:
            self._body.end(None)
        elif self._head is not None and not self.answer.done():
            status, headers = self._head
            self.answer.set_result(HttpResponse(status=status, headers=headers, body=b"".join(self._chunks)))

    def _watch(self) -> None:
        """Give up a stream that has rested too long (D3), whoever is waited for."""
        if self._clock.now() < self._rests_until:
            self._timer = self._clock.call_at(self._rests_until, self._watch)
            return
        self._fail(Late())
        self.task.cancel()

    def _end(self) -> None:
        self._gone.set()
        if self._timer is not None:
            self._timer.cancel()

    def _fail(self, problem: Exception | None) -> None:
        if self._gone.is_set():
            return
        self._end()
        failure = problem or Disconnected(silent=self._head is None, headless=self._head is None)
        if self._body is not None:
            self._body.end(
                failure if isinstance(failure, Failure) else Disconnected(silent=False, headless=False)
            )
        elif not self.answer.done():
            self.answer.set_exception(failure)

    # -- what the stream calls

    def pause(self) -> None:
        """Make the application wait in `send`."""
        self._writable.clear()

    def resume(self) -> None:
        """Let it go on."""
        self._writable.set()

    def progress(self) -> None:
        """Note that the stream has moved."""
        self._rests_until = self._clock.now() + self._rest

    def close(self) -> None:
        """Give the answer up: the application is told and cancelled."""
        self._fail(None)
        self.task.cancel()


def _raised(operation: str, error: Exception) -> UpstreamError:
    problem = UpstreamUnavailable(operation, "the application failed")
    problem.__cause__ = error
    return problem


def _cut(error: Exception) -> Disconnected:
    failure = Disconnected(silent=False, headless=False)
    failure.__cause__ = error  # nothing else tells why an answer ended
    return failure


async def _iterate(body: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        if body:
            yield body
        return
    async for chunk in body:
        yield chunk
