"""The HTTP/1.1 protocol of the door, for uvicorn's server: bounds first, the application second.

    octets ─▶ Reader (lines, guards) ─▶ Exchange ─▶ application
                    └▶ refusal: a problem, `Connection: close`, and a while of listening on

It takes the place of uvicorn's own protocols and shares no parser with them: those forgive, each in its own way.
A refusal waits for the answers of earlier requests on the same connection. After it, as after any last answer, the
socket is half closed and what comes is read and dropped for a moment: a reset would take the answer (RFC 9112 9.6).
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from stagedoor import _problems as problems
from stagedoor._asgi import GONE
from stagedoor._door.config import DoorConfig
from stagedoor._door.exchange import CONTINUE, Exchange
from stagedoor._door.gone import has_gone
from stagedoor._door.limits import KEEP_ALIVE_UNTIL, occupancy
from stagedoor._door.pipeline import Pipeline
from stagedoor._door.reader import Head, RequestReader
from stagedoor._door.scope import scope_of
from stagedoor._door.timeouts import ConnectionTimeouts
from stagedoor._door.wire import problem_answer, reset_at_close, write_all
from stagedoor._problems import ProblemDetails

if TYPE_CHECKING:
    from uvicorn.server import ServerState

__all__ = ["DoorProtocol"]

_HIGH_WATER: Final = 65_536
_LATE: Final = {"head_late": "the head", "body_late": "the body"}


class DoorProtocol(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_active", "_app_state", "_client", "_config", "_connections", "_discarded", "_limiter", "_limits",
        "_loop", "_newest", "_pipeline", "_reader", "_refusal", "_scheme", "_server", "_state", "_timeouts",
        "_timer", "_transport", "_writable", "paused",
    )  # fmt: skip

    def __init__(
        self,
        config: DoorConfig,
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._limits = config.limits
        self._limiter = config.limiter
        self._app_state = app_state
        self._state = server_state
        self._connections: set[Any] = server_state.connections
        self._loop = _loop or asyncio.get_running_loop()
        self._reader = RequestReader(config.limits, self)
        self._timeouts = ConnectionTimeouts(config.limits, self._loop.time())
        self._timer: asyncio.TimerHandle | None = None
        self._active: Exchange | None = None  # the one whose answer is due
        self._newest: Exchange | None = None  # the one whose octets arrive
        self._pipeline = Pipeline()  # those between
        self._refusal: ProblemDetails | None = None  # due after the answers before it
        self._discarded = 0
        self._writable: asyncio.Event | None = None
        self.paused = False

    # --- the connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection up; one too many of its client, or far too many, are turned away unread."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._connections.add(self)
        self._client = get_remote_addr(transport)
        self._server = get_local_addr(transport)
        self._scheme = "https" if is_ssl(transport) else "http"
        self._timer = self._loop.call_later(self._limits.shortest, self._look)
        limiter, client = self._limiter, self._client
        too_many = limiter is not None and client is not None and not limiter.enter(client[0])
        if too_many or len(self._connections) > self._limits.ceiling:
            self._answer(problems.overloaded())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits, and forget the connection."""
        self._connections.discard(self)
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()  # a lost transport never says so, and whoever looks again would wait for ever
        self._reader.release()
        active, self._active, self._newest = self._active, None, None
        if active is not None:
            active.disconnect()
        self._pipeline.end()

    def eof_received(self) -> bool:
        """Let the transport close: a client that stops sending has gone, as far as one can tell (D6)."""
        if not self._transport.get_write_buffer_size():
            self._leave()  # at once: it may be back with another connection before this one is closed
        return False

    def _leave(self) -> None:
        limiter, self._limiter = self._limiter, None
        if limiter is not None and self._client is not None:
            limiter.leave(self._client[0])

    def shutdown(self) -> None:
        """Close if no request is under way: the time of a stop is up (called by the server)."""
        if self._active is None:
            self._close()

    def data_received(self, data: bytes) -> None:
        """Read, within bounds."""
        reader, timeouts = self._reader, self._timeouts
        if len(data) >= _HIGH_WATER:
            # A loop hands over up to 32 such packets of one connection before it looks at any other.
            self._pause()
            self._loop.call_soon(self._breathe)
        if reader.done:
            self._discarded += len(data)
            if timeouts.phase == "over" and self._discarded > self._limits.linger_bytes:
                self._transport.abort()
            return
        if not reader.in_head:
            timeouts.octets(len(data), self._loop.time())
        self._read(data)

    def _read(self, data: bytes) -> None:
        """Read on, with nothing new after a stall; the first octet of a head starts its time (T13)."""
        reader, timeouts = self._reader, self._timeouts
        problem = reader.feed(data)
        if problem is not None:
            self._refuse(problem)
        elif reader.stalled:
            self._pause()
        elif timeouts.phase == "idle" and reader.begun:
            timeouts.enter("head", self._loop.time())

    def _breathe(self) -> None:
        newest = self._newest
        if newest is None or newest.complete or newest.disconnected or len(newest.body) <= _HIGH_WATER:
            self.read_on()

    def _pause(self) -> None:
        if self._transport.is_reading() and not self._transport.is_closing():
            self._transport.pause_reading()

    # --- what the reader has read -------------------------------------------------------------------------------

    def may_begin(self) -> bool:
        """Tell whether a further request is wanted: not after a last one, and not more than may wait."""
        newest = self._newest
        if newest is None:
            return True
        if len(self._pipeline) >= self._limits.pipelined:
            newest.keep_alive = False  # RFC 9112 9.3.2: the client repeats what got no answer
        return newest.keep_alive

    def is_full(self) -> bool:
        """Tell whether so much waits that further requests are read when an answer has made room."""
        return self._newest is not None and self._pipeline.octets() > _HIGH_WATER

    def has_room(self, target: bytes) -> bool:
        """Shed load: everything but health and metrics, once there are too many connections (O3)."""
        return len(self._connections) <= self._limits.max_connections or target.startswith(
            self._limits.exempt
        )

    def begin(self, head: Head) -> None:
        """Serve a request, or let it wait behind those before it."""
        self._newest = exchange = Exchange(self, head)
        if self._active is None:
            self._timeouts.enter("body", self._loop.time())
            self._serve(exchange)
        else:
            self._pipeline.add(exchange)

    def piece(self, body: bytes) -> None:
        """Keep a piece of a body until the application asks for it; stop reading if it does not."""
        exchange = self._newest
        if exchange is None or exchange.complete or exchange.deaf or exchange.disconnected:
            return
        exchange.body += body
        exchange.wake()
        if len(exchange.body) > _HIGH_WATER:
            self._pause()

    def end(self) -> None:
        """Note that the newest request is here to its end."""
        exchange = self._newest
        if exchange is not None:
            exchange.received = True
            exchange.wake()
            if exchange is self._active:
                self._timeouts.phase = "ours"

    def _serve(self, exchange: Exchange) -> None:
        self._active = exchange
        # The scope refers to the exchange, and nothing but the task to the scope: what is over goes by itself.
        scope = scope_of(exchange.head, self._scheme, self._client, self._server, self._app_state.copy())
        scope["extensions"] = {GONE: exchange.on_gone}
        exchange.task = task = self._loop.create_task(exchange.run(self._config.loaded_app, scope))
        if not task.done():  # as one may be that a factory begins at once
            self._state.tasks.add(task)

    # --- what an exchange needs ---------------------------------------------------------------------------------

    def write(self, *pieces: bytes | memoryview) -> None:
        """Hand bytes to the transport, all at once, counting them for the slow readers' limit."""
        if len(pieces) == 1:
            self._timeouts.written += len(pieces[0])
            self._transport.write(pieces[0])
        else:
            self._timeouts.written += sum(map(len, pieces))
            write_all(self._transport, pieces)

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what was written."""
        if self._writable is None:
            self._writable = asyncio.Event()
        self._writable.clear()
        if self.paused:
            await self._writable.wait()

    def pause_writing(self) -> None:
        """Note that the transport's buffer is full."""
        self.paused = True

    def resume_writing(self) -> None:
        """Let writers go on."""
        self.paused = False
        if self._writable is not None:
            self._writable.set()

    def read_on(self) -> None:
        """Take more from the client, whose time counts from now."""
        transport, reader = self._transport, self._reader
        if not (transport.is_reading() or transport.is_closing() or (reader.stalled and not reader.done)):
            transport.resume_reading()
            self._timeouts.octets(0, self._loop.time())

    def ask_for_body(self) -> None:
        """Let a client that waits to be told send its body, whose time counts from now."""
        self.write(CONTINUE)
        if self._timeouts.phase == "body":
            self._timeouts.enter("body", self._loop.time())

    def common_fields(self) -> list[tuple[bytes, bytes]]:
        """Return the fields of every answer: the date."""
        return self._state.default_headers

    def may_keep_alive(self, exchange: Exchange) -> bool:
        """Tell whether there is room for idle connections (O3); in a stop, whether a request waits behind this one.

        Nothing is answered behind an answer that says close (RFC 9112 9.6).
        """
        if self._config.draining and exchange is self._newest and self._refusal is None:
            return False
        return occupancy(len(self._connections), self._limits) < KEEP_ALIVE_UNTIL

    def left(self, exchange: Exchange) -> None:
        """Forget the task of a request: a callback of its own would cost a turn of the loop."""
        task = exchange.task
        if task is not None:
            self._state.tasks.discard(task)

    def finished(self, exchange: Exchange) -> None:
        """Go on with the next request, with the refusal that waits, or with idling."""
        self._state.total_requests += 1
        self._active = None
        if not exchange.keep_alive:
            self._end()
            return
        if exchange is self._newest:
            self._newest = None
        self.read_on()
        following = self._pipeline.following()
        if following is not None:
            self._serve(following)
            self._timeouts.enter("ours" if following.received else "body", self._loop.time())
        elif self._refusal is not None:
            self._answer(self._refusal)
        else:
            self._timeouts.enter("head" if self._reader.begun else "idle", self._loop.time())
        if self._reader.stalled:
            self._read(b"")
            self.read_on()

    def answer_problem(self, exchange: Exchange, problem: ProblemDetails) -> None:
        """Answer a request that the application could not, and close."""
        exchange.complete = True
        exchange.wake()
        self._active = None
        self._answer(problem, exchange)

    def cut(self, *, reset: bool = False) -> None:
        """End the connection in the middle of an answer."""
        self._reader.done = True
        if reset:
            reset_at_close(self._transport)
        self._transport.abort()

    # --- ends ---------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Close after a last answer, and listen on for a while: the client may send more before it has read it."""
        self._reader.done = True
        self._pipeline.end()
        self._linger()

    def _refuse(self, problem: ProblemDetails) -> None:
        """Refuse what arrives now: at once, or after the answers that are due before."""
        reader, newest, active = self._reader, self._newest, self._active
        reader.done = True
        if reader.in_head or newest is None:
            self._refuse_after(problem)
        elif newest is not active:  # the body of one that waits
            self._pipeline.drop_newest()
            self._refuse_after(problem)
        elif newest.deaf:  # what is wrong with a body that nobody reads cuts no answer off
            self._timeouts.enter("ours", self._loop.time())
        elif newest.started:
            self.cut()
        else:
            self._refuse_active(newest, problem)

    def _refuse_active(self, exchange: Exchange, problem: ProblemDetails) -> None:
        if exchange.task is not None and not exchange.begun:
            exchange.task.cancel()  # head and broken body came together: the application never hears of it
            self.left(exchange)
            exchange.task = None
        exchange.disconnect()
        self._active = None
        self._answer(problem, exchange)

    def _refuse_after(self, problem: ProblemDetails) -> None:
        self._refusal = problem
        if self._active is None:
            self._answer(problem)

    def _answer(self, problem: ProblemDetails, exchange: Exchange | None = None) -> None:
        """Write a problem and end the connection; without an exchange it is the reader's head that is refused."""
        reader = self._reader
        reader.done = True
        self._pipeline.end()
        if self._transport.is_closing():
            return
        asked = (exchange or reader).asked()
        request_id = asked.request_id() or self._config.new_id()
        second, name = self._state.default_headers, self._config.namespace
        self.write(problem_answer(problem, asked, second, request_id=request_id, namespace=name))
        if exchange is None or not exchange.begun:  # the application counts what it has seen
            self._config.refused(problem, request_id)
        self._linger()

    def _linger(self) -> None:
        """Half close, and read on for a moment so that the answer is not lost to a reset."""
        if self._transport.is_closing():
            return
        self.read_on()
        if not self._transport.can_write_eof():  # TLS ends both ways at once
            self._close()
            return
        self._transport.write_eof()
        self._timeouts.enter("over", self._loop.time())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._limits.linger, self._look)

    def _close(self) -> None:
        self._reader.done = True
        self._timeouts.enter("ours", self._loop.time())
        self._transport.close()

    def _look(self) -> None:
        """See whether the peer's time is up."""
        transport, load = self._transport, occupancy(len(self._connections), self._limits)
        reading, buffered = transport.is_reading(), transport.get_write_buffer_size()
        told_to_wait = self._active is not None and self._active.expects_continue
        due = reading and not told_to_wait
        verdict, again = self._timeouts.look(self._loop.time(), load=load, reading=due, buffered=buffered)
        if not reading and has_gone(transport):  # nobody else would notice
            verdict = "abort"
        if verdict in _LATE:
            self._refuse(problems.request_timeout(f"{_LATE[verdict]} of the request did not arrive in time"))
        elif verdict == "close":
            self._close()
        elif verdict == "abort":
            self._transport.abort()
        if verdict != "abort":
            self._timer = self._loop.call_later(again, self._look)
