"""`Gateway`: the declaration of a gateway, and an ASGI application."""

import asyncio
import gc
import os
import re
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, LiteralString, ParamSpec, TypeVar, overload

from pydantic import BaseModel

from stagedoor._face.aggregates import Aggregate
from stagedoor._face.backends import Backend
from stagedoor._face.blueprint import Blueprint
from stagedoor._face.declared import (
    Handler,
    Passage,
    Source,
    demand_async,
    demand_cache,
    demand_policies,
    demand_seconds,
    demand_unnamed,
    tags_of,
)
from stagedoor._face.extension import Extension
from stagedoor._face.fields import Cookie, checked_set
from stagedoor._face.kept import Cache
from stagedoor._face.places import Place, here, place_of_code
from stagedoor._face.remote import AnyPolicy
from stagedoor._face.running import Running
from stagedoor._face.service import Service
from stagedoor._face.settings import Settings, demand_url, prefix_of, settings_from, url_from
from stagedoor._face.sources import wrapped
from stagedoor._face.templates import route_names
from stagedoor._face.world import World
from stagedoor.call import Env, Transport
from stagedoor.clock import SystemClock
from stagedoor.context import WEIGHTS, Priority
from stagedoor.errors import ConfigError
from stagedoor.observers.logs import Stream
from stagedoor.transports.http import HttpTransport
from stagedoor.web.docs import DocumentSet

__all__ = ["Gateway"]

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q")
R = TypeVar("R")
M = TypeVar("M", bound=BaseModel)
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_WHOLE = DocumentSet(openapi="/openapi.json", swagger=("/docs",), redoc="/redoc")
Lifespan = Callable[[Running], AbstractAsyncContextManager[None]]
Transports = Mapping[str, Transport[Any, Any]]


class Gateway:
    """Services, screens, handlers and all that belongs to them, as a declaration and as an ASGI application.

    Importing a module that declares one reads no environment and opens nothing. `build` makes a running gateway, any
    number side by side; serving one (`stagedoor run`, uvicorn, a mount) builds it in its lifespan.

    `name` is the prefix of its settings: SHOP_ACCOUNTS_URL, SHOP_PORT, ... (`-` becomes `_`). The environment wins
    over `url=`; `settings` given here replace the environment. `deadline` is the seconds of a request, `lifespan` what
    is entered while it runs, `middleware` ASGI applications round it, outermost first. `documents` are the OpenAPI
    documents and the pages that show them, `title`, `version` and `description` stand in each. Raises `ConfigError`.
    """

    def __init__(
        self,
        name: str,
        *,
        deadline: float = 0.5,
        settings: Settings | None = None,
        lifespan: Callable[[Running], AbstractAsyncContextManager[None]] | None = None,
        middleware: Sequence[Callable[[Any], Any]] = (),
        title: str = "",
        version: str = "1",
        description: str = "",
        documents: Sequence[DocumentSet] = (_WHOLE,),
    ) -> None:
        self.place = here()
        given: object = name
        if not isinstance(given, str) or _NAME.fullmatch(given) is None:
            raise ConfigError(f"{self.place}: a gateway's name is lower case such as 'shop', not {name!r}")
        demand_seconds(deadline, "deadline", self.place)
        self.name = name
        self.deadline = deadline
        self.settings = settings
        self._lifespan = lifespan
        self.middleware = tuple(middleware)
        self.title = title or name
        self.version = version
        self.description = description
        self.documents = tuple(documents)
        self.services: list[Service] = []
        self.sources: list[Source] = []
        self.backends: list[Backend[Any, Any]] = []
        self.extensions: list[Callable[[Running], Extension]] = []
        self.aggregates: list[Aggregate[Any]] = []
        self.handlers: list[Handler] = []
        self.passages: list[Passage] = []
        self.included: list[tuple[Gateway, str]] = []
        self._serving: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Running] = (
            weakref.WeakKeyDictionary()
        )

    def service(
        self,
        name: str,
        url: str = "",
        *,
        forward: AbstractSet[str | Cookie] = frozenset(),
        headers: Mapping[str, str] | None = None,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        cache: Cache | None = None,
        coalesce: bool = True,
        label: str = "",
        health: str = "",
        connections: int = 100,
        connect: float = 0.05,
    ) -> Service:
        """Declare an upstream and return its typed client.

        Of the caller's fields it sees request id, trace, and those in `forward`; `headers` are sent with every call.
        `attempt` is the time-out of one attempt in seconds; unless given, what the screens that use it leave for it.
        `policies` replace the ordinary ones, outermost first; `cache` keeps answers; `coalesce` joins equal calls.
        `label` is what metrics and health call it, its name unless given. `health` is a path that must be there; unless
        given /health is asked, and a service without one counts as well. At most so many `connections` are open, each
        made within `connect` seconds. Raises `ConfigError`.
        """
        place = here()
        given: object = name
        if not isinstance(given, str) or not given.isidentifier():
            raise ConfigError(f"{place}: a service's name is an identifier such as 'accounts', not {name!r}")
        if url:
            demand_url(url, f"{place}: service {name!r}")
        demand_seconds(attempt, "attempt", place)
        demand_unnamed(cache, place)
        demand_policies(policies, place)
        service = Service(
            name,
            url,
            forward=checked_set(forward, f"{place}: forward"),
            headers=headers or {},
            attempt=attempt,
            policies=policies,
            cache=cache,
            coalesce=coalesce,
            label=label,
            health=health,
            pool=(connections, connect),
            place=place,
        )
        self.services.append(service)
        return service

    def upstream(
        self,
        name: str,
        make: Callable[[Env], Transport[Q, R]],
        *,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        label: str = "",
        health: Q | None = None,
    ) -> Backend[Q, R]:
        """Declare an upstream that speaks something else than HTTP: `make` returns its transport.

        `health` is the payload that a probe sends; without one /health does not show it. `attempt`, `policies` and
        `label` are as those of a service. Raises `ConfigError`.
        """
        place = here()
        given: object = name
        if not isinstance(given, str) or not given.isidentifier():
            raise ConfigError(f"{place}: an upstream's name is an identifier such as 'search', not {name!r}")
        demand_seconds(attempt, "attempt", place)
        backend = Backend(
            name, make, label=label, health=health, attempt=attempt, policies=policies, place=place
        )
        self.backends.append(backend)
        return backend

    def extend(self, make: Callable[[Running], Extension]) -> None:
        """Add routes of the engine's own kind, which the face has no word for: `make` is given the running gateway.

        It is called whenever a gateway is built, before anything is open.
        """
        self.extensions.append(make)

    @overload
    def source(self, function: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T]]: ...
    @overload
    def source(
        self,
        /,
        *,
        safe: bool = False,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        cache: Cache | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]: ...
    def source(
        self,
        function: Callable[P, Awaitable[T]] | None = None,
        /,
        *,
        safe: bool = False,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        cache: Cache | None = None,
    ) -> Callable[P, Awaitable[T]] | Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Put policies, events and health round an `async def` of one's own (SQL, gRPC, a library).

        Only a `safe` one is repeated, joined or kept. Raises `ConfigError`.
        """
        place = here()
        demand_seconds(attempt, "attempt", place)
        demand_unnamed(cache, place)
        demand_policies(policies, place)
        if cache is not None and not safe:
            raise ConfigError(f"{place}: only a safe source is kept: say safe=True")

        def declare(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            demand_async(call, "source", place)
            declared = Source(
                function=call,
                safe=safe,
                attempt=attempt,
                policies=policies,
                cache=cache,
                place=place_of_code(call),
            )
            self.sources.append(declared)
            return wrapped(declared, call)

        return declare if function is None else declare(function)

    def aggregate(
        self,
        path: LiteralString,
        model: type[M],
        *,
        vary: AbstractSet[str | Cookie] = frozenset(),
        cache: Cache | None = None,
        deadline: float | None = None,
        stale_before_partial: bool = False,
        deprecated: bool = False,
        reserve: float | None = None,
        tags: Sequence[str] = (),
        priority: Priority = "detail",
    ) -> Aggregate[M]:
        """Declare a screen: one typed answer made of parts.

        `vary` says what of the caller identifies it; nothing: public. A part that would forward a field the screen
        does not vary by is refused before it is sent. `stale_before_partial` lets a whole older answer in its
        stale-if-error window go before a new partial one. `reserve` is the seconds of the deadline that rendering and
        the way back take; the parts have the rest. `tags` group it in documents. `priority` says who goes first where
        not all can be served. Raises `ConfigError`.
        """
        place = here()
        _demand_priority(priority, place)
        demand_seconds(deadline, "deadline", place)
        demand_cache(cache, place)
        demand_seconds(reserve, "reserve", place)
        route_names(path, str(place))
        aggregate = Aggregate(
            path,
            model,
            vary=checked_set(vary, f"{place}: vary"),
            cache=cache,
            deadline=deadline,
            stale_before_partial=stale_before_partial,
            deprecated=deprecated,
            reserve=reserve,
            tags=tuple(tags),
            priority=priority,
            place=place,
        )
        self.aggregates.append(aggregate)
        return aggregate

    def get(
        self,
        path: LiteralString,
        *,
        cache: Cache | None = None,
        vary: AbstractSet[str | Cookie] = frozenset(),
        deadline: float | None = None,
        deprecated: bool = False,
        live: bool = False,
        tags: Sequence[str] = (),
        priority: Priority = "detail",
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of GET and HEAD. Raises `ConfigError`.

        Names in the path are path parameters; `Annotated[str, Header()]` and `Annotated[str, Cookie("sid")]` are
        fields; an argument of the type `Running` is the gateway at work; all else is the query. It returns a value,
        None (204) or an `Answer`; bytes with a content type of their own go as they stand. A `live` one answers however
        often a client has asked, and however much there is to do; the others by their `priority`. `tags` group it in
        documents.
        """
        place = here()
        _demand_priority(priority, place)
        demand_cache(cache, place)
        return self._handler(
            "GET",
            path,
            place,
            cache=cache,
            vary=checked_set(vary, f"{place}: vary"),
            deadline=deadline,
            deprecated=deprecated,
            live=live,
            tags=tuple(tags),
            priority=priority,
        )

    def post(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of POST. Raises `ConfigError`.

        A model argument is the body (at most `limit` bytes); names in the path are path parameters;
        `Annotated[str, Header()]` and `Annotated[str, Cookie("sid")]` are fields; all else is the query. It returns a
        value (`status`, else 200), None (`status`, else 204) or an `Answer`. `purges` are tags, dropped here before
        the answer leaves, also when the outcome of the write is unknown.
        """
        return self._writing("POST", path, status, purges, deadline, limit, deprecated)

    def put(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of PUT; see `post`."""
        return self._writing("PUT", path, status, purges, deadline, limit, deprecated)

    def patch(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of PATCH; see `post`."""
        return self._writing("PATCH", path, status, purges, deadline, limit, deprecated)

    def delete(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of DELETE; see `post`."""
        return self._writing("DELETE", path, status, purges, deadline, limit, deprecated)

    def _writing(
        self,
        method: str,
        path: str,
        status: int | None,
        purges: Sequence[str],
        deadline: float | None,
        limit: int,
        deprecated: bool,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        place = here()
        if status is not None and not 200 <= status <= 299:
            raise ConfigError(f"{place}: status={status!r} is that of a success, 200 to 299")
        return self._handler(
            method,
            path,
            place,
            status=status,
            purges=tags_of(purges, place),
            deadline=deadline,
            limit=_bytes(limit, place),
            deprecated=deprecated,
        )

    def _handler(
        self,
        method: str,
        path: str,
        place: Place,
        **options: Any,  # noqa: ANN401 - the fields of `Handler`
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        demand_seconds(options.get("deadline"), "deadline", place)
        route_names(path, str(place))

        def declare(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            demand_async(function, f"{method.lower()}({path!r})", place)
            self.handlers.append(
                Handler(method=method, path=path, function=function, place=place_of_code(function), **options)
            )
            return function

        return declare

    def proxy(
        self,
        path: LiteralString,
        service: Service,
        *,
        to: LiteralString = "",
        methods: AbstractSet[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = frozenset({"GET"}),
        purges: Sequence[str] = (),
        limit: int = 1_048_576,
        deadline: float | None = None,
        priority: Priority = "detail",
    ) -> None:
        """Pass requests through, streamed both ways, to the path `to` (the same unless given).

        All end-to-end fields pass but credentials; those by the service's `forward`. `limit` bounds the body, in
        bytes; the deadline holds until the head of the answer; `priority` as for a screen. Raises `ConfigError`.
        """
        place = here()
        _demand_priority(priority, place)
        given: object = service
        if not isinstance(given, Service):
            raise ConfigError(f"{place}: proxy leads to a service, not to {service!r}")
        if not _METHODS.issuperset(methods):
            raise ConfigError(f"{place}: methods is a set of {', '.join(sorted(_METHODS))}, not {methods!r}")
        demand_seconds(deadline, "deadline", place)
        route_names(path, str(place))
        self.passages.append(
            Passage(
                path=path,
                service=service,
                to=to,
                methods=frozenset(methods),
                purges=tags_of(purges, place),
                limit=_bytes(limit, place),
                deadline=deadline,
                priority=priority,
                place=place,
            )
        )

    def include(self, other: "Gateway", *, prefix: LiteralString = "") -> None:
        """Take over what another module declared; its settings take this gateway's prefix. Raises `ConfigError`."""
        place = here()
        given: object = other
        if not isinstance(given, Gateway) or given is self:
            raise ConfigError(f"{place}: include takes another gateway, not {other!r}")
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise ConfigError(f"{place}: prefix={prefix!r} begins with a slash and ends without")
        self.included.append((other, prefix))

    @property
    def lifespan_of(self) -> Lifespan | None:
        """Return what is entered while it runs: of all that it includes, then its own; None if there is nothing."""
        hooks = self.all_lifespans()
        return (lambda running: _entered(hooks, running)) if hooks else None

    def all_lifespans(self) -> list[Lifespan]:
        """Return the lifespans of all that it includes, then its own."""
        own = [] if self._lifespan is None else [self._lifespan]
        return [*(hook for other, _ in self.included for hook in other.all_lifespans()), *own]

    def all_services(self) -> list[Service]:
        """Return its services and those of all that it includes."""
        return [*self.services, *(one for other, _ in self.included for one in other.all_services())]

    def all_sources(self) -> list[Source]:
        """Return its sources and those of all that it includes."""
        return [*self.sources, *(one for other, _ in self.included for one in other.all_sources())]

    def own_paths(self, prefix: str = "") -> frozenset[str]:
        """Return the paths that are declared, so that nothing else is put there."""
        paths = [
            *[one.path for one in self.aggregates],
            *[one.path for one in self.handlers],
            *[one.path for one in self.passages],
        ]
        found = {prefix + path for path in paths}
        for other, below in self.included:
            found |= other.own_paths(prefix + below)
        return frozenset(found)

    @asynccontextmanager
    async def build(
        self, env: Env | None = None, *, transports: Transports | None = None
    ) -> AsyncIterator[Running]:
        """Return a running gateway: opened, and closed in reverse order at the end.

        `env` is a clock, a source of chance and an observer of one's own; `transports` by the name of their service
        take the place of connections, and need no addresses. Raises `ConfigError` with everything that is wrong.
        """
        async with self.made(env, transports=transports).opened() as running:
            yield running

    def made(
        self,
        env: Env | None = None,
        *,
        transports: Transports | None = None,
        environment: Mapping[str, str] | None = None,
        all_logs: bool = False,
        reachable: bool = True,
        functions: Mapping[Source, Callable[..., Awaitable[Any]]] | None = None,
        mistakes: Callable[[Exception], object] | None = None,
        stream: Stream | None = None,
    ) -> Running:
        """Return a gateway that has not been opened.

        `environment` has the settings, the process's own unless given. `reachable` False builds one without addresses,
        to look at. `functions` take the place of sources, and `mistakes` hears of what clients see as 500;
        `stream` takes the log.
        """
        variables = os.environ if environment is None else environment
        blueprint = Blueprint(self)
        settings = settings_from(variables, self.name, self.settings)
        labels = {one.name: one.label for one in blueprint.behind}
        world = World(settings, labels, env, release=self.version, all_logs=all_logs, stream=stream)
        given: dict[str, Transport[Any, Any]] = dict(transports or {})
        missing: list[str] = []
        for service in blueprint.services:
            if service.name not in given:
                url = url_from(variables, self.name, service.name, service.url)
                if not url:
                    missing.append(f"{prefix_of(self.name)}{service.name.upper()}_URL")
                given[service.name] = HttpTransport(
                    url or "http://127.0.0.1:9",
                    pool_size=service.connections,
                    connect_timeout=service.connect,
                    clock=world.env.clock,
                    via=self.name,
                )
        if missing and reachable and not settings.docs_only:
            raise ConfigError(f"the address of a service is missing: set {', '.join(missing)}, or give url=")
        return Running(
            self, blueprint, settings, world, given, functions=functions or {}, mistakes=mistakes or _ignore
        )

    def inspected(self) -> "Inspected":
        """Return what `stagedoor check` looks at; raises `ConfigError` with everything that is wrong."""
        blueprint = Blueprint(self)
        web = self.looked_at(reachable=False).web
        return Inspected(web.plans, web.upstreams, web.routes, tuple(blueprint.unseen()))

    def looked_at(self, *, reachable: bool) -> Running:
        """Return a gateway that will not be opened; raises `ConfigError` with everything that is wrong."""
        return self.made(Env(SystemClock(), _half, _unobserved), reachable=reachable)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """Return the one that serves in this event loop, else a new one with the process's own environment.

        For jobs, GraphQL resolvers and other frameworks.
        """
        serving = self._serving.get(asyncio.get_running_loop())
        if serving is not None:
            yield serving
            return
        async with self.build() as running:
            yield running

    @asynccontextmanager
    async def lifespan(self, outer: object = None) -> AsyncIterator[None]:
        """Serve within it: for `FastAPI(lifespan=app.lifespan)`, where the gateway is mounted below `outer`."""
        async with self.served():
            yield

    @asynccontextmanager
    async def served(self, *, all_logs: bool = False) -> AsyncIterator[Running]:
        """Be the gateway that serves in this event loop."""
        loop = asyncio.get_running_loop()
        async with self.made(all_logs=all_logs).opened() as running:
            self._serving[loop] = running
            try:
                yield running
            finally:
                self._serving.pop(loop, None)

    async def __call__(self, scope: Any, receive: Any, send: Any, *, alone: bool = False) -> None:  # noqa: ANN401
        """Serve one ASGI connection; raises `RuntimeError` where nobody ran the lifespan.

        `alone`: the process is this gateway's; all its loggers lead to the gateway's log, and not the kit's only.
        """
        if scope["type"] == "lifespan":
            await self._live(receive, send, alone)
            return
        running = self._serving.get(asyncio.get_running_loop())
        if running is None:
            raise RuntimeError(
                f"the gateway {self.name!r} is not open: its lifespan did not run. Mounted, say "
                "FastAPI(lifespan=app.lifespan); under uvicorn leave --lifespan on"
            )
        await running(scope, receive, send)

    def serving(self) -> list[Running]:
        """Return what serves now, in whichever loop."""
        return list(self._serving.values())

    async def _live(self, receive: Any, send: Any, alone: bool) -> None:  # noqa: ANN401 - ASGI's own types
        await receive()
        try:
            async with self.served(all_logs=alone):
                if alone:
                    _spare_the_collector()
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    def __repr__(self) -> str:
        return f"<Gateway {self.name}>"


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a gateway tells of itself before it serves anybody."""

    plans: Sequence[Any]
    upstreams: Sequence[Any]
    routes: Sequence[Any]
    doubts: Sequence[str]


def _spare_the_collector() -> None:
    """Look for cycles rarely, and never among what lives as long as the process.

    What a request makes goes by itself, as soon as nobody refers to it. At the default of 700 new objects the collector
    runs several times per answer over all requests under way: a tenth of the CPU of a cold one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@asynccontextmanager
async def _entered(hooks: Sequence[Lifespan], running: Running) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for hook in hooks:
            await stack.enter_async_context(hook(running))
        yield


def _half() -> float:
    return 0.5


def _unobserved(_: object) -> None:
    """Tell nobody."""


def _ignore(_: Exception) -> None:
    """Leave a mistake to the log."""


def _demand_priority(said: str, place: Place) -> None:
    if said not in WEIGHTS:
        raise ConfigError(f"{place}: priority={said!r} must be one of {', '.join(WEIGHTS)}")


def _bytes(limit: object, place: Place) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigError(f"{place}: limit={limit!r} is bytes, 1 or more")
    return limit
