"""The gateway: one ASGI application made of routes.

    request ─▶ route ─▶ pressure ─▶ throttle ─▶ context (id, trace, deadline, identity) ─▶ handler ─▶ answer
                           └─▶ 503     └─▶ 429                                                 └─▶ problem

Every answer leaves through `_write`, every failure through `problem_of`; a handler knows of neither.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stagedoor import context, problems
from stagedoor.addresses import Trust, client_key, client_of
from stagedoor.aggregate.plan import Plan
from stagedoor.call import Env
from stagedoor.context import RequestContext
from stagedoor.deadline import Deadline
from stagedoor.errors import ConfigError
from stagedoor.events import RequestShed
from stagedoor.policies.pressure import Pressure
from stagedoor.requests import Headers
from stagedoor.upstream import Upstream
from stagedoor.web.answer import Answer
from stagedoor.web.cors import Cors
from stagedoor.web.disconnect import ClientGone, while_connected
from stagedoor.web.identity import credentials_of
from stagedoor.web.parameters import BeyondWindow, Invalid
from stagedoor.web.request import Receive, Request, Scope, Send
from stagedoor.web.routes import Match, Refused, Route, Router
from stagedoor.web.stream import send_stream
from stagedoor.web.throttle import Limiter
from stagedoor.web.trace import Parents, Trace, identify
from stagedoor.web.traffic import Traffic, tell_refused

__all__ = ["Gateway"]

_LOGGER = logging.getLogger("stagedoor.web")
# Ids must be unlike one another, not unguessable; asking the system for each would cost a switch of threads.
_RANDOM = random.Random()  # noqa: S311 - see above
_KIT = str(Path(__file__).parent.parent)
_LONGEST_FIGURE = 9
_CLIENT_CLOSED = 499  # nobody reads it; it is for the metrics and the log
_GONE = Answer(_CLIENT_CLOSED, ())
_MOST = 10_000  # requests under way at once, however much time the processor has
_TURNS = 20  # of the loop that an answer needs at most: in time for its deadline if each is
_SLOWEST_TURN = 0.1  # seconds, for deadlines of any length: health has to be answered too
_BETWEEN_TURNS = 0.005  # seconds between two looks: under load each turn is longer anyhow
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class _Exchange:
    """One request on its way through: what its head said, and how it ended."""

    __slots__ = ("fields", "headers", "match", "receive", "request_id", "scope", "send", "started", "trace")

    def __init__(self, scope: Scope, receive: Receive, send: Send, match: Match, started: float) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.match = match
        self.started = started
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = ""
        self.trace: Trace
        self.fields: Headers = ()  # of the answer, whatever it will be

    def request(self) -> Request:
        """Return the request as a handler sees it."""
        match = self.match
        return Request(self.scope, self.receive, match.params(), self.headers, self.request_id, match.raw())


def _figure(raw: bytes | None) -> int | None:
    """Read a whole number above zero; junk is ignored."""
    if raw is None or len(raw) > _LONGEST_FIGURE or not raw.isdigit():
        return None
    return int(raw) or None


def _nobody(_: str) -> bool:
    return False


def _nobody_asks(_: Exception) -> None:
    """Leave our own failures to the log."""


@asynccontextmanager
async def _nothing_to_open() -> AsyncIterator[None]:
    yield


class Gateway:
    """Serve routes under one deadline, one form of errors, one way to count and to log.

    `trusted` tells which peers are believed: who a request comes from, and how much time it has. `throttle` limits
    every client on every route but the `live` ones; where the processor is short some of them are refused
    (`policies.pressure`). `cors` lets pages of other origins read the answers. `mistakes`
    hears of each failure of our own, which clients see as 500.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        env: Env,
        name: str,
        deadline: float = 0.18,
        traffic: Sequence[Traffic] = (),
        upstreams: Sequence[Upstream[Any, Any]] = (),
        plans: Sequence[Plan[Any]] = (),
        trusted: Trust = _nobody,
        throttle: Limiter | None = None,
        cors: Cors | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[object]] = _nothing_to_open,
        entropy: Callable[[int], bytes] = _RANDOM.randbytes,
    ) -> None:
        self.routes = tuple(routes)
        self.upstreams = tuple(upstreams)
        self.plans = tuple(plans)
        self.name = name
        self.ready = False
        self.active = 0
        self._router = Router(self.routes)
        self._now = env.clock.now
        self._observe = env.observe
        self.pressure = Pressure(target=min(deadline / _TURNS, _SLOWEST_TURN), most=_MOST)
        self._turn_asked = self._next_turn = -inf
        self.deadline = deadline
        self._traffic = tuple(traffic)
        self._trusted = trusted
        self._throttle = throttle
        self._cors = cors
        self._lifespan = lifespan
        self._entropy = entropy
        self.mistakes: Callable[[Exception], object] = _nobody_asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            exchange = self._arrived(scope, receive, send)
            counted = exchange.match.route.counted
            await (self._counted(exchange) if counted else self._uncounted(exchange))
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def drain(self) -> None:
        """Say "not ready" from now on; requests under way and new ones are still answered."""
        self.ready = False

    def refused(self, problem: problems.Problem, request_id: str) -> None:
        """Count a request that the door turned away before it came here."""
        tell_refused(self._traffic, problem, request_id)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self._lifespan():
                self.ready = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
                self.drain()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    def _arrived(self, scope: Scope, receive: Receive, send: Send) -> _Exchange:
        match = self._router.match(scope["method"], scope["raw_path"])
        exchange = _Exchange(scope, receive, send, match, self._now())
        fields = scope["headers"]
        exchange.request_id, exchange.trace = identify(exchange.headers, fields, self._entropy(40))
        return exchange

    async def _uncounted(self, exchange: _Exchange) -> None:
        await self._write(exchange, await self._answered(exchange))

    async def _counted(self, exchange: _Exchange) -> None:
        """Answer, and tell the traffic once, whatever happens."""
        if exchange.started >= self._next_turn:
            self._ask_for_turn(exchange.started)
        self.active += 1
        for sink in self._traffic:
            sink.request_started()
        status, route = _CLIENT_CLOSED, exchange.match.route
        held = not route.live and self.pressure.enter(route.priority)
        try:
            if not (held or route.live):
                answer = self._shed(exchange, route)
            else:
                answer = await self._answered(exchange)
            status = await self._write(exchange, answer)
        finally:
            self.active -= 1
            if held:
                self.pressure.leave(route.priority)
            seconds = self._now() - exchange.started
            method, endpoint = exchange.scope["method"], route.path
            trace_id = exchange.trace.trace_id.decode()
            for sink in self._traffic:
                sink.request_ended(method, endpoint, status, seconds, exchange.request_id, trace_id)

    def _shed(self, exchange: _Exchange, route: Route) -> Answer:
        self._observe(RequestShed(route.path, route.priority))
        return self._problem(exchange, problems.overloaded(1.0))

    def _ask_for_turn(self, now: float) -> None:
        """See how long the loop lets one wait: that is how much it has to do."""
        self._turn_asked, self._next_turn = now, inf
        asyncio.get_running_loop().call_soon(self._turned)

    def _turned(self) -> None:
        now = self._now()
        self.pressure.turned(now, now - self._turn_asked)
        self._next_turn = now + _BETWEEN_TURNS

    async def _answered(self, exchange: _Exchange) -> Answer:
        """Return what is answered before any handler is asked, or what the handler answers."""
        if self._cors is not None and exchange.scope["method"] == "OPTIONS":
            preflight = self._preflight(exchange, self._cors)
            if preflight is not None:
                return preflight  # not counted: a page could never read its refusal (Fetch 4.8)
        throttle = self._throttle
        if throttle is not None and not exchange.match.route.live:
            key = self._client(exchange)
            allowance = throttle.take(key) or await throttle.ask(key)
            exchange.fields = throttle.quota.fields(allowance.remaining, allowance.reset)
            if not allowance.allowed:
                return self._problem(exchange, problems.rate_limited(allowance.reset))
        return await self._handled(exchange)

    def _client(self, exchange: _Exchange) -> str:
        """Return who asks; all who come without an address are one."""
        peer = exchange.scope.get("client")
        if peer is None:
            return ""
        return client_key(client_of(peer[0], exchange.scope["headers"], self._trusted))

    def _preflight(self, exchange: _Exchange, cors: Cors) -> Answer | None:
        """Return what a browser hears that asks whether it may ask; None if this is nothing of the kind."""
        methods = self._router.allowed(exchange.scope["raw_path"])
        fields = None if methods is None else cors.preflight(exchange.headers, methods)
        return None if fields is None else Answer(204, fields)

    async def _handled(self, exchange: _Exchange) -> Answer:
        """Return the handler's answer, or the problem that stands for its failure."""
        route = exchange.match.route
        token = context.enter(self._context(exchange, route))
        try:
            return await while_connected(route.handle, exchange.request())
        except Refused as refusal:
            return self._problem(exchange, refusal.problem)
        except Invalid as invalid:
            return self._problem(
                exchange, problems.validation(*(fault.as_json() for fault in invalid.faults))
            )
        except BeyondWindow as beyond:
            return self._problem(exchange, problems.beyond_window(str(beyond)))
        except ClientGone:
            return _GONE
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a problem and no trace of it
            return self._failed(exchange, error)
        finally:
            context.leave(token)

    def _context(self, exchange: _Exchange, route: Route) -> RequestContext:
        forward: Headers = (
            (b"x-request-id", exchange.request_id.encode()),
            (b"traceparent", exchange.trace.parent),
        )
        if exchange.trace.state:
            forward += ((b"tracestate", exchange.trace.state),)
        identity = ""
        if not route.public:
            identity, credentials = credentials_of(exchange.scope["headers"])
            forward += credentials
        whole = Deadline(exchange.started + (route.deadline or self.deadline))
        deadline = self._shortened(exchange, whole)
        return RequestContext(
            request_id=exchange.request_id,
            deadline=deadline,
            identity=identity,
            forward=forward,
            attempt=_figure(exchange.headers.get(b"stagedoor-attempt")) or 1,
            unshortened=None if deadline is whole else whole,
            parent=Parents(exchange.trace.parent),
            caller=None if route.caller is None else route.caller(exchange.scope),
            priority=route.priority,
        )

    def _shortened(self, exchange: _Exchange, whole: Deadline) -> Deadline:
        """Return the deadline of this request: a trusted peer may shorten it, nobody lengthens it (D5)."""
        asked = _figure(exchange.headers.get(b"stagedoor-deadline-ms"))
        client = exchange.scope.get("client")
        if asked is None or client is None or not self._trusted(client[0]):
            return whole
        return whole.narrowed(exchange.started + asked / 1000)

    def _failed(self, exchange: _Exchange, error: Exception) -> Answer:
        """Say what an error means to the client; what is nobody's fault but ours is told to the log."""
        problem = problems.problem_of(error)
        if problem.status == 500:
            said = f": {error}" if _raised_here(error) else ""
            _LOGGER.error("%s failed%s", exchange.match.route.path, said, exc_info=error)
            self.mistakes(error)
        return self._problem(exchange, problem)

    def _problem(self, exchange: _Exchange, problem: problems.Problem) -> Answer:
        # As it was asked for: unquoted it is no reference (RFC 9457 3.1.5), and `%3F` would begin a query.
        path = exchange.scope["raw_path"].decode("ascii", "replace")
        root = exchange.scope.get("root_path")
        if root:  # mounted below it: the client asked for both
            path = quote(root.rstrip("/")) + path
        body = problems.render(problem, instance=path, request_id=exchange.request_id, namespace=self.name)
        return Answer(problem.status, problems.fields_of(problem), body)

    async def _write(self, exchange: _Exchange, answer: Answer) -> int:
        """Write the head and the body, and return the status; a stream of known length brings its Content-Length."""
        if answer is _GONE:
            return _CLIENT_CLOSED
        send, headers = exchange.send, [*answer.headers, *exchange.fields]
        if answer.stream is None and answer.status not in {204, 304}:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        headers.append((b"x-request-id", exchange.request_id.encode()))
        if _NOSNIFF not in headers:
            headers.append(_NOSNIFF)
        if self._cors is not None:
            self._cors.tell(headers, exchange.headers.get(b"origin"))
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        if answer.stream is not None:
            whole = await send_stream(exchange.request(), send, start, answer.stream)
            return answer.status if whole else _CLIENT_CLOSED
        body = b"" if exchange.scope["method"] == "HEAD" else answer.body
        await send(start)
        await send({"type": "http.response.body", "body": body})
        return answer.status


def _raised_here(error: Exception) -> bool:
    """Tell whether the kit itself names a mistake: what others write may hold secrets, and stays out of the log."""
    if not isinstance(error, TypeError | RuntimeError | ConfigError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.startswith(_KIT)
