"""The gateway: one ASGI application made of routes.

    request ─▶ route ─▶ pressure ─▶ throttle ─▶ context (id, trace, deadline, identity) ─▶ handler ─▶ answer
                           └─▶ 503     └─▶ 429                                                 └─▶ problem

Every answer leaves through `_write`, every failure through `problem_of`; a handler knows of neither.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import inf
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from stagedoor import _context as context
from stagedoor import _problems as problems
from stagedoor._addresses import Trust, client_key, client_of, trust
from stagedoor._aggregate.plan import Plan
from stagedoor._asgi import Receive, Scope, Send
from stagedoor._call import Env
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import DueTime
from stagedoor._events import RequestShed
from stagedoor._ids import randbytes
from stagedoor._parameters import BeyondWindow, Invalid
from stagedoor._requests import Headers
from stagedoor._upstream import Upstream
from stagedoor._web.access import CLIENT_CLOSED, AccessObserver, RequestCounter, signed
from stagedoor._web.answer import WebAnswer, is_another, resolved
from stagedoor._web.compression import Compression, has_forms
from stagedoor._web.cors import Cors, is_foreign, is_preflight
from stagedoor._web.disconnect import ClientGone, while_connected
from stagedoor._web.identity import credentials_of
from stagedoor._web.mistakes import told_of
from stagedoor._web.near import NearCache
from stagedoor._web.permissions import Limit, Render
from stagedoor._web.prefix import below, forwarded_prefix
from stagedoor._web.request import listed
from stagedoor._web.routed import RoutedRequest, figure_of
from stagedoor._web.routes import RequestRefused, Route, Router
from stagedoor._web.spans import spanned
from stagedoor._web.stream import send_stream
from stagedoor._web.throttle import Limiter, Quotas, passing
from stagedoor._web.trace import Parents
from stagedoor.policies._pressure import Pressure

__all__ = ["GatewayApp"]

_LOGGER = logging.getLogger("stagedoor._web")
_name_of = itemgetter(0)
_NOBODY = trust(())
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_GONE = WebAnswer(CLIENT_CLOSED, ())
_MOST = 10_000  # requests under way at once, however much time the processor has
_TURNS = 30  # of the loop that an answer needs, with its waits: in time for its deadline if each is
_SLOWEST_TURN = 0.1  # seconds, for deadlines of any length: health has to be answered too
_BETWEEN_TURNS = 0.005  # seconds between two looks: under load each turn is longer anyhow


def _nobody_asks(_: BaseException) -> None:
    """Leave our own failures to the log."""


@asynccontextmanager
async def _nothing_to_open() -> AsyncIterator[None]:
    yield


class GatewayApp:
    """Serve routes under one deadline, one form of errors, one way to count and to log.

    `trusted` tells which peers are believed: who a request comes from, and how much time it has. `throttle` limits
    every client on every route but the `live` ones, `limits` further on single ones, by path; where the processor is
    short some of them are refused (`policies._pressure`). `cors` lets pages of other origins read the answers; the
    fields in `always` stand in each answer that does not say them itself. `mistakes` hears of each failure of our own,
    which clients see as 500.
    """

    def __init__(  # noqa: PLR0913 - everything a gateway is made of
        self,
        routes: Iterable[Route],
        *,
        env: Env,
        name: str,
        deadline: float = 0.18,
        traffic: Sequence[AccessObserver] = (),
        upstreams: Sequence[Upstream[Any, Any]] = (),
        plans: Sequence[Plan[Any]] = (),
        trusted: Trust = _NOBODY,
        throttle: Limiter | None = None,
        limits: Mapping[str, Limiter] | None = None,
        cors: Cors | None = None,
        always: Headers = (),
        lifespan: Callable[[], AbstractAsyncContextManager[object]] = _nothing_to_open,
        entropy: Callable[[int], bytes] = randbytes,
    ) -> None:
        self.routes = tuple(routes)
        self.upstreams = tuple(upstreams)
        self.plans = tuple(plans)
        self.name = name
        self.ready = False
        self._router = Router(self.routes)
        self.match = self._router.match
        self._now = env.clock.now
        self._observe = env.observe
        self.pressure = Pressure(target=min(deadline / _TURNS, _SLOWEST_TURN), most=_MOST)
        self._turn_asked = self._next_turn = -inf
        self.deadline = deadline
        self.counter = RequestCounter(traffic, env.clock.now)
        self._count = spanned(self.counter.count, env.tracer)
        self.trusted = trusted
        self._throttle = throttle
        common = () if throttle is None else (throttle,)
        self._quotas = {path: Quotas(one, *common) for path, one in (limits or {}).items()}
        self._limited = bool(throttle is not None or self._quotas)
        self.cors = cors
        self._always = tuple(always)
        self._added = frozenset(map(_name_of, self._always))
        self._lifespan = lifespan
        self.entropy = entropy
        self.env = env
        self.near: NearCache | None = None
        self.compression: Compression | None = None
        self.mistakes: Callable[[BaseException], object] = _nobody_asks
        self.waits_for: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            match = self._router.match(scope["method"], scope["raw_path"])
            exchange = RoutedRequest(scope, receive, send, match, self._now(), self.entropy(40))
            if b"x-forwarded-prefix" in exchange.headers:
                self._place(exchange)
            route = match.route
            if route.counted:
                await self._count(exchange, self._admitted(exchange, route))
            else:
                await self._served(exchange)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    @property
    def active(self) -> int:
        """Return the counted requests under way."""
        return self.counter.active

    def drain(self) -> None:
        """Say "not ready" from now on; requests under way and new ones are still answered."""
        self.ready = False

    def refused(self, problem: problems.ProblemDetails, request_id: str) -> None:
        """Count a request that the door turned away before it came here."""
        self.counter.refused(problem, request_id)

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

    def _place(self, exchange: RoutedRequest) -> None:
        """Note the path that a trusted proxy has stripped."""
        scope = exchange.scope
        prefix = forwarded_prefix(exchange.headers[b"x-forwarded-prefix"])
        client = scope.get("client")
        if prefix and client is not None and self.trusted(client[0]):
            exchange.scope = {**scope, "root_path": prefix + scope.get("root_path", "")}

    async def _served(self, exchange: RoutedRequest) -> None:
        preflight = exchange.scope["method"] == "OPTIONS" and is_preflight(exchange.headers)
        answer = await self._preflight(exchange) if preflight else await self._answered(exchange)
        await self._write(exchange, answer)

    async def _admitted(self, exchange: RoutedRequest, route: Route) -> None:
        """Answer a request that there is time for, and refuse it at once where there is none."""
        self.ask_for_turn(exchange.started)
        if route.live or exchange.scope["method"] == "OPTIONS":
            await self._served(exchange)
        elif self.pressure.enter(route.priority):
            try:
                await self._write(exchange, await self._answered(exchange))
            finally:
                self.pressure.leave(route.priority)
        else:
            self._observe(RequestShed(route.path, route.priority))
            await self._write(exchange, self._problem(exchange, problems.overloaded(1.0)))

    def ask_for_turn(self, now: float) -> None:
        """See now and then how long the loop lets one wait: that is how much it has to do."""
        if now >= self._next_turn:
            self._turn_asked, self._next_turn = now, inf
            asyncio.get_running_loop().call_soon(self._turned)

    def _turned(self) -> None:
        now = self._now()
        self.pressure.turned(now, now - self._turn_asked)
        self._next_turn = now + _BETWEEN_TURNS

    def _answered(self, exchange: RoutedRequest) -> Awaitable[WebAnswer]:
        """Return what is answered before any handler is asked, or what the handler answers."""
        judged = self._limited or exchange.scope["method"] not in _SAFE
        return self._judged(exchange) if judged else self._handled(exchange)

    async def _judged(self, exchange: RoutedRequest) -> WebAnswer:
        if self._limited and not exchange.match.route.live:
            wait = await self._wait(exchange)
            if wait:
                return self._problem(exchange, problems.rate_limited(wait))
        if exchange.scope["method"] not in _SAFE:
            if is_foreign(exchange.headers, self.cors):
                return self._problem(exchange, problems.forbidden("a page of another site asked for this"))
            if self.compression is not None:
                exchange.name_own_tags()
        return await self._handled(exchange)

    async def _wait(self, exchange: RoutedRequest) -> int:
        """Count a request; return the seconds that its client has to wait, 0 if it may pass."""
        throttle, quotas = self._throttle, self._quotas.get(exchange.match.route.path)
        if quotas is not None:
            exchange.fields, wait = await quotas.take(self._client(exchange))
            return wait
        if throttle is None:
            return 0
        key = self._client(exchange)
        allowance = throttle.take(key) or await throttle.ask(key)
        exchange.fields = throttle.quota.fields(allowance.remaining, allowance.reset)
        return 0 if allowance.allowed else max(1, allowance.reset)

    def _client(self, exchange: RoutedRequest) -> str:
        """Return who asks: whom the route's guard has recognised, else an address; all without one are one."""
        subject = exchange.match.route.subject
        known = "" if subject is None else subject(exchange.scope)
        if known:
            return "=" + hashlib.blake2b(known.encode(), digest_size=16).hexdigest()  # no address begins so
        peer = exchange.scope.get("client")
        if peer is None:
            return ""
        return client_key(client_of(peer[0], exchange.scope["headers"], self.trusted))

    async def _preflight(self, exchange: RoutedRequest) -> WebAnswer:
        """Return what a browser hears that asks whether it may ask.

        That is not counted: a page could never read its refusal (Fetch 4.8). What goes on to a service is.
        """
        cors, methods = self.cors, self._router.allowed(exchange.scope["raw_path"])
        fields = None if methods is None or cors is None else cors.preflight(exchange.headers, methods)
        if fields is not None:
            return WebAnswer(204, fields)
        passes = exchange.match.route.method == "OPTIONS"
        return await (self._answered(exchange) if passes else self._handled(exchange))

    async def _handled(self, exchange: RoutedRequest) -> WebAnswer:
        """Return the handler's answer, or the problem that stands for its failure."""
        route = exchange.match.route
        token = context.enter(self._context(exchange, route))
        try:
            return await while_connected(route.handle, exchange.request())
        except RequestRefused as refusal:
            return self._problem(exchange, refusal.problem, refusal.__cause__)
        except Invalid as invalid:
            return self._problem(
                exchange, problems.validation(*(fault.as_json() for fault in invalid.faults))
            )
        except BeyondWindow as beyond:
            return self._problem(exchange, problems.beyond_window(str(beyond)))
        except ClientGone:
            return _GONE
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - a problem for the client, and no trace of it
            return self._failed(exchange, error)
        finally:
            context.leave(token)

    def _context(self, exchange: RoutedRequest, route: Route) -> RequestContext:
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
        whole = DueTime(exchange.started + (route.deadline or self.deadline))
        deadline = self._shortened(exchange, whole)
        # By position, for every request: with names it takes a third longer.
        return RequestContext(
            exchange.request_id,
            deadline,
            identity,
            forward,
            Record(),
            figure_of(exchange.headers.get(b"stagedoor-attempt")) or 1,
            None if deadline is whole else whole,
            Parents(exchange.trace.parent),
            None if route.caller is None else route.caller(exchange.scope),
            route.priority,
        )

    def _shortened(self, exchange: RoutedRequest, whole: DueTime) -> DueTime:
        """Return the deadline of this request: a trusted peer may shorten it, nobody lengthens it (D5)."""
        asked = figure_of(exchange.headers.get(b"stagedoor-deadline-ms"))
        client = exchange.scope.get("client")
        if asked is None or client is None or not self.trusted(client[0]):
            return whole
        return whole.narrowed(exchange.started + asked / 1000)

    def _failed(self, exchange: RoutedRequest, error: BaseException) -> WebAnswer:
        """Say what an error means to the client; what is nobody's fault but ours is told to the log."""
        problem = problems.problem_of(error)
        if problem.status == 500:
            _LOGGER.error("%s failed%s", exchange.match.route.path, told_of(error), exc_info=error)
            self.mistakes(error)
        return self._problem(exchange, problem, error)

    def _problem(
        self, exchange: RoutedRequest, problem: problems.ProblemDetails, error: BaseException | None = None
    ) -> WebAnswer:
        if problem.status >= 500:
            exchange.cause = problems.cause_of(problem, error, self.waits_for)
        # As it was asked for: unquoted it is no reference (RFC 9457 3.1.5), and `%3F` would begin a query.
        path = exchange.scope["raw_path"].decode("ascii", "replace")
        root = exchange.scope.get("root_path")
        if root:  # mounted below it: the client asked for both
            path = quote(root.rstrip("/")) + path
        body = problems.render(problem, instance=path, request_id=exchange.request_id, namespace=self.name)
        return WebAnswer(problem.status, problems.fields_of(problem), body)

    async def _write(self, exchange: RoutedRequest, answer: WebAnswer) -> None:
        """Write the head and the body, and note the status; a stream of known length brings its Content-Length."""
        if answer is _GONE:
            return
        answer = await self._coded(exchange, answer)
        send, headers = exchange.send, [*answer.headers, *exchange.fields]
        if answer.stream is None and answer.status not in {204, 304}:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        self.dress(headers, exchange.request_id.encode(), exchange.headers.get(b"origin"))
        root = exchange.scope.get("root_path")
        if root:
            headers = below(root, headers)
        elif self.near is not None and answer.repeat is not None:
            self.near.permit(exchange.scope, exchange.match.route, answer.repeat)
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        if answer.stream is not None:
            if await send_stream(exchange.request(), send, start, answer.stream):
                exchange.status = answer.status
            return
        body = b"" if exchange.scope["method"] == "HEAD" else answer.body
        await send(start)
        await send({"type": "http.response.body", "body": body})
        exchange.status = answer.status

    async def _coded(self, exchange: RoutedRequest, answer: WebAnswer) -> WebAnswer:
        """Return an answer in the coding that is asked for, or 304 to who has it so."""
        route, headers, fields = exchange.match.route, exchange.headers, exchange.scope["headers"]
        if self.compression is not None and route.compress is not False:
            if answer.stream is not None or (route.foreign and answer.etag is None):
                answer = self.compression.passed(answer, route, exchange.scope["method"], headers, fields)
            elif has_forms(answer, route.compress):
                accepted = listed(b"accept-encoding", headers, fields)
                answer = await self.compression.coded(answer, route.compress, accepted)
        if answer.etag is not None and is_another(answer, listed(b"if-match", headers, fields)):
            return self._problem(exchange, problems.precondition_failed())
        return answer if answer.condition is None else resolved(answer)

    def dress(self, fields: list[tuple[bytes, bytes]], request_id: bytes, origin: bytes | None) -> None:
        """Add to an answer's fields those that every answer carries."""
        signed(fields, request_id)
        if self._added.isdisjoint(map(_name_of, fields)):
            fields += self._always
        else:
            said = dict(fields)
            fields += [field for field in self._always if field[0] not in said]
        if self.cors is not None:
            self.cors.tell(fields, origin)

    def repeat_near(self, render: Render, *, most: int, claim: Callable[[int], None]) -> None:
        """Let the door give kept answers again by itself: see `near`."""
        self.near = NearCache(self, render=render, most=most, claim=claim)

    def limit_of(self, route: Route) -> Limit | None:
        """Return what counts a request of a route that certainly may pass."""
        quotas = None if route.live else self._quotas.get(route.path)
        if quotas is not None:
            return quotas.pass_at_once
        return None if route.live or self._throttle is None else passing(self._throttle)
