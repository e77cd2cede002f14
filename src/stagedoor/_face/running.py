"""A gateway at work: everything a declaration describes, built once, opened, and closed in reverse."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal, LiteralString, TypeVar

from stagedoor import _context as context
from stagedoor import _problems as problems
from stagedoor._addresses import trust
from stagedoor._asgi import Receive, Scope, Send
from stagedoor._cache.tags import tag as purge_name
from stagedoor._call import Transport
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import DueTime
from stagedoor._face.aggregates import Aggregate
from stagedoor._face.authenticators import Guards
from stagedoor._face.backends import Backend
from stagedoor._face.blueprint import Blueprint
from stagedoor._face.caller import Caller, Rules
from stagedoor._face.client import ServiceClient
from stagedoor._face.declared import Handler, Source
from stagedoor._face.equipment import enclosed, equip
from stagedoor._face.extension import Extension, made
from stagedoor._face.fields import lower_fields
from stagedoor._face.guarding import guarded
from stagedoor._face.guards import Guard
from stagedoor._face.handlers import Handling
from stagedoor._face.mounts import unmounted
from stagedoor._face.operations import operations_of, probes_of
from stagedoor._face.passages import Passing
from stagedoor._face.problems import Refusals
from stagedoor._face.refused import refusable
from stagedoor._face.remote import Remote
from stagedoor._face.roles import Declares
from stagedoor._face.screens import Screen
from stagedoor._face.service import Service
from stagedoor._face.settings import Settings, prefix_of
from stagedoor._face.sources import Sourcing
from stagedoor._face.stores import limits_of_routes, stores_of
from stagedoor._face.streaming import Streaming, hands_on
from stagedoor._face.templates import tag_of
from stagedoor._face.uses import reaches
from stagedoor._face.world import World
from stagedoor._problems import ProblemDetails
from stagedoor._requests import Headers
from stagedoor._upstream import Upstream
from stagedoor._web.answer import WebAnswer
from stagedoor._web.cors import ACCEPTED, Cors
from stagedoor._web.gateway import GatewayApp as Web
from stagedoor._web.health import Component, Health
from stagedoor._web.request import Request
from stagedoor._web.routes import RequestRefused, Route
from stagedoor._web.trace import Parents, identify

__all__ = ["Running"]

P = TypeVar("P")
R = TypeVar("R")
_OUTSIDE = Rules("outside a request")


class Running:
    """A gateway at work. `Gateway.build` makes one."""

    def __init__(
        self,
        declared: Declares,
        blueprint: Blueprint,
        settings: Settings,
        world: World,
        transports: Mapping[str, Transport[Any, Any]],
        *,
        functions: Mapping[Source, Callable[..., Awaitable[Any]]],
        mistakes: Callable[[BaseException], object],
        guards: Guards,
    ) -> None:
        self.name = declared.name
        self.settings = settings
        # Settings that were given replace the environment.
        prefix = "" if declared.settings else prefix_of(declared.name)
        self.redis_variable = f"{prefix}REDIS_URL" if prefix else "redis_url"
        self.world = world
        self.env = world.env
        self.guards = guards
        self.started = self.env.clock.wall()
        self._trusted = trust(settings.networks)
        self.stores = stores_of(settings, declared.name, self.env)
        store = self.stores.store
        self.at_work: dict[ServiceClient, Remote] = {
            service: Remote(
                service.name,
                transports[service.name],
                blueprint.policies_of(service),
                cache=service.cache,
                coalesce=service.coalesce,
                store=store,
                env=self.env,
            )
            for service in blueprint.services
        }
        self._sources = {
            source: Sourcing(
                source, functions.get(source), blueprint.policies_of(source), store=store, env=self.env
            )
            for source in blueprint.sources
        }
        self._backends = {
            backend: Upstream(
                backend.name,
                transports.get(backend.name) or backend.transport(self.env),
                *blueprint.policies_of(backend),
                env=self.env,
            )
            for backend in blueprint.backends
        }
        self._screens: dict[Any, Screen[Any]] = {}
        self._extensions: Sequence[Extension] = tuple(made(make, self) for make in blueprint.extensions)
        self._lifespan = declared.lifespan_of
        self._health = Health(probes_of(self, blueprint), self.env.clock)
        routes = [*self._declared_routes(blueprint), *guards.routes, *operations_of(self, declared)]
        self.web = Web(
            routes,
            env=self.env,
            name=declared.name,
            deadline=declared.deadline,
            traffic=world.traffic,
            upstreams=tuple(self._upstreams()),
            plans=tuple(screen.plan for screen in self._screens.values()),
            trusted=self._trusted,
            throttle=self.stores.throttle,
            limits=limits_of_routes(self.stores.limits, routes, prefix),
            cors=_cors(settings, routes, declared.exposed),
            always=declared.headers,
            lifespan=self.opened,
            entropy=world.entropy,
        )
        self.web.mistakes, self.web.waits_for = mistakes, blueprint.waited_for()
        for extension in self._extensions:
            self.web.waits_for |= extension.waits_for
        # The span of a request is round it, too.
        wrapped = bool(declared.middleware) or self.env.tracer is not None
        equip(self.web, settings, self.stores.near, wrapped=wrapped)
        if world.metrics is not None:
            keepers = (one.name for one in self.web.upstreams)
            world.metrics.follow(self._loads, lambda: self.web.pressure.limit, keepers)
            world.metrics.expect(screen.plan for screen in self._screens.values())
        # What serves what comes with a raw path, and is mounted nowhere.
        self.app: Any = enclosed(self.web, declared.middleware, declared.place)

    def _declared_routes(self, blueprint: Blueprint) -> list[Route]:
        """Return the routes of screens, handlers and passages; raises `ConfigError`."""
        store, env = self.stores.store, self.env
        shown, passing = (Refusals(blueprint.sees_credentials, passing=one) for one in (False, True))
        routes: list[Route] = []
        for layout in blueprint.layouts:
            uses = {
                part.name: [self._behind(one) for one in blueprint.uses_of(part)]
                for part in layout.declared.parts
            }
            deadline = blueprint.deadline_of(layout.declared.deadline)
            guarding = None if layout.guard is None else self.guards.of(layout.guard)
            screen = Screen(
                layout, uses, deadline=deadline, refusals=shown, store=store, env=env, guarding=guarding
            )
            self._screens[layout.declared] = screen
            if layout.template:
                used = [one for part in layout.declared.parts for one in blueprint.uses_of(part)]
                routes.append(self._entered(refusable(screen.route(), used), screen.rules, layout.guard))
        routes += [route for one in self._extensions for route in one.routes]
        self.handlings = [self._handling(one, blueprint, passing) for one in blueprint.handlers]
        routed = [refusable(one.route(), blueprint.seen(one.declared.function)) for one in self.handlings]
        told = zip(routed, self.handlings, strict=True)
        handlers = [self._entered(route, one.rules, one.guard) for route, one in told]
        for passage in blueprint.passages:
            passed = Passing(
                passage,
                name=self.name,
                deadline=blueprint.deadline_of(passage.deadline),
                refusals=passing,
                store=store,
                wall=env.clock.wall,
                kept=blueprint.kept_fields,
                trusted=self._trusted,
                codes=self.settings.compression,
                recognises=None if passage.recognises is None else self.guards.of(passage.recognises),
            )
            routes += [self._entered(route, passed.rules, passage.guard) for route in passed.routes()]
        if not self.settings.docs_only:
            return [*routes, *handlers]
        # What asks no service has its answer also where only documents are served.
        functions = [one.declared.function for one in self.handlings]
        asking = [bool(blueprint.seen(one)) or reaches(one, Aggregate) for one in functions]
        shut = [one for one, asks in zip(handlers, asking, strict=True) if asks]
        routes = [replace(route, handle=_docs_only) for route in (*routes, *shut)]
        return [*routes, *(one for one, asks in zip(handlers, asking, strict=True) if not asks)]

    def _handling(self, one: Handler, blueprint: Blueprint, refusals: Refusals) -> Handling | Streaming:
        """Return a handler at work; raises `ConfigError`."""
        deadline, store, env = blueprint.deadline_of(one.deadline), self.stores.store, self.env
        if hands_on(one):
            made = partial(Streaming, one, name=self.name, codes=self.settings.compression)
            return made(deadline=deadline, refusals=refusals, store=store, env=env)
        return Handling(one, deadline=deadline, refusals=refusals, store=store, env=env, running=self)

    def _entered(self, route: Route, rules: Rules, guard: Guard | None) -> Route:
        """Return a route whose handler knows who asks, behind its guard."""
        if guard is not None:
            route = guarded(route, self.guards.of(guard))
        return self.guards.entered(route, self, rules)

    def _upstreams(self) -> list[Upstream[Any, Any]]:
        kept = [screen.upstream for screen in self._screens.values()]
        kept += [one.upstream for one in self.handlings if one.upstream is not None]  # type: ignore[misc]
        kept += [one for extension in self._extensions for one in extension.upstreams]
        return [*kept, *(upstream for _, upstream in self._upstreams_behind())]

    def _upstreams_behind(self) -> Iterator[tuple[Any, Upstream[Any, Any]]]:
        """Yield each service, source and backend with its upstream."""
        yield from ((one, remote.upstream) for one, remote in self.at_work.items())
        yield from ((one, sourcing.upstream) for one, sourcing in self._sources.items())
        yield from self._backends.items()

    def _loads(self) -> Mapping[str, Mapping[str, int]]:
        """Return what is held at each upstream that bounds its calls."""
        found = [(one, one.places) for _, one in self._upstreams_behind()]
        return {one.name: {**one.counts(), "limit": places} for one, places in found if places is not None}

    def _behind(self, one: Any) -> Any:  # noqa: ANN401 - a service, a source or a backend
        if isinstance(one, Backend):
            return self._backends[one]
        return self.at_work[one] if isinstance(one, Service) else self._sources[one]

    def upstream(self, backend: Backend[P, R]) -> Upstream[P, R]:
        """Reach an upstream of your own kind while it works; raises `RuntimeError` for one of another gateway."""
        found = self._backends.get(backend)
        if found is None:
            raise RuntimeError(f"{backend!r} belongs to another gateway than {self.name!r}")
        return found

    def remote(self, service: ServiceClient) -> Remote:
        """Return a service at work; raises `RuntimeError` for one of another gateway."""
        found = self.at_work.get(service)
        if found is None:
            raise RuntimeError(f"the service {service.name!r} belongs to another gateway than {self.name!r}")
        return found

    def source(self, source: Source) -> Sourcing:
        """Return a source at work; raises `RuntimeError` for one of another gateway."""
        found = self._sources.get(source)
        if found is None:
            raise RuntimeError(f"the source {source.name!r} belongs to another gateway than {self.name!r}")
        return found

    def screen(self, declared: Aggregate[Any]) -> Screen[Any]:
        """Return a screen at work; raises `RuntimeError` for one of another gateway."""
        found = self._screens.get(declared)
        if found is None:
            raise RuntimeError(f"{declared!r} belongs to another gateway than {self.name!r}")
        return found

    @property
    def remotes(self) -> Sequence[Remote]:
        """Return all services at work."""
        return tuple(self.at_work.values())

    async def components(self) -> Mapping[str, Component]:
        """Ask how each thing behind the gateway is: just now and in parallel, or at most two seconds ago."""
        return await self._health.components()

    def endpoints(self) -> Sequence[str]:
        """List every route that is documented, as in "GET /home/{account_id}"."""
        return [f"{one.method} {one.path}" for one in self.web.routes if one.documentation is not None]

    def held(self) -> Mapping[str, int]:
        """Count what must come to rest after faults, so that a test sees a leak: `permits`, `probes`, `flights`, ..."""
        total: Counter[str] = Counter()
        for upstream in self.web.upstreams:
            total.update(upstream.counts())
        return total

    @property
    def active(self) -> int:
        """Requests that are under way now: 0 means that nobody waits for this gateway."""
        return self.web.active

    @property
    def sourcings(self) -> Sequence[Sourcing]:
        """Return all sources at work."""
        return tuple(self._sources.values())

    @asynccontextmanager
    async def request(
        self, *, headers: Mapping[str, str] | None = None, deadline: float | None = None
    ) -> AsyncIterator[None]:
        """Let screens and services be used in a block without a web request; `headers` identify the caller.

        `deadline` is seconds for the whole block, none unless given: each screen keeps to its own.
        """
        fields = lower_fields(headers)
        request_id, trace = identify(dict(fields), fields, self.world.entropy(40))
        forward: Headers = ((b"x-request-id", request_id.encode()), (b"traceparent", trace.parent))
        now = self.env.clock.now()
        asked = RequestContext(
            request_id=request_id,
            deadline=DueTime(float("inf") if deadline is None else now + deadline),
            forward=forward,
            record=Record(),
            parent=Parents(trace.parent),
            caller=Caller(self, fields, _OUTSIDE, {}),
        )
        token = context.enter(asked)
        try:
            yield
        finally:
            context.leave(token)

    async def purge(self, tag: LiteralString, *values: object) -> None:
        """Drop what is kept under a tag: `await running.purge("home:{}", account_id)`; values are escaped."""
        await self.stores.store.purge([purge_name(tag_of(tag).placed(values))])

    async def purge_tags(self, tags: Iterable[str]) -> None:
        """Drop what is kept under tags that somebody names as they stand: `["film:1", "films"]`."""
        await self.stores.store.purge([purge_name(one) for one in tags])

    def hold_breaker(self, name: str, state: Literal["open", "closed", "auto"]) -> None:
        """Hold the breaker of a service or source open or closed, in this process, until told "auto".

        `name` is its own or the label of its metrics. Raises `KeyError` for one that is not there.
        """
        found = [upstream for one, upstream in self._upstreams_behind() if name in {one.name, one.label}]
        if not found:
            raise KeyError(name)
        for upstream in found:
            upstream.hold(state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        whole = "raw_path" in scope and not scope.get("root_path")
        await self.app(scope if whole else unmounted(scope), receive, send)

    def refused(self, problem: ProblemDetails, request_id: str) -> None:
        """Count a request that the door turned away."""
        self.web.refused(problem, request_id)

    def drain(self) -> None:
        """Say "not ready" from now on."""
        self.web.drain()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Running"]:
        """Open everything; close it in reverse."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.world.opened())
            stack.push_async_callback(self.stores.aclose)
            for close in self._closing():
                stack.push_async_callback(close)
            await self.stores.start()
            if not self.settings.docs_only:
                self.guards.start()
                await self._enter_lives(stack)
            self.web.ready = True
            try:
                yield self
            finally:
                self.web.drain()

    def _closing(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Yield what closes all that is open, the last first."""
        yield from (screen.upstream.aclose for screen in self._screens.values())
        yield from (remote.aclose for remote in self.at_work.values())
        yield from (source.upstream.aclose for source in self._sources.values())
        yield from (one.upstream.aclose for one in self.handlings if one.upstream is not None)
        yield from (upstream.aclose for upstream in self._backends.values())
        yield from (one.aclose for extension in self._extensions for one in extension.upstreams)
        yield self.guards.aclose

    async def _enter_lives(self, stack: AsyncExitStack) -> None:
        for extension in self._extensions:
            for life in extension.lives:
                await stack.enter_async_context(life)
        if self._lifespan is not None:
            await stack.enter_async_context(self._lifespan(self))

    def __repr__(self) -> str:
        return f"<Running {self.name}>"


def _cors(settings: Settings, routes: Sequence[Route], exposed: Sequence[str]) -> Cors | None:
    """Return whose pages may read answers; they may send every field that an answer varies by, but cookies."""
    if not settings.cors_origins:
        return None
    varied = {name.title() for route in routes for name in route.varies if name != "cookie"}
    return Cors(settings.cors_origins, exposed=exposed, accepted=(*ACCEPTED, *sorted(varied - set(ACCEPTED))))


async def _docs_only(_: Request) -> WebAnswer:
    raise RequestRefused(problems.docs_only())
