"""`Gateway`: the declaration of a gateway, and an ASGI application."""

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stagedoor._call import Env, Transport
from stagedoor._clock import SystemClock
from stagedoor._face.authenticators import Guards, authenticators
from stagedoor._face.blueprint import Blueprint
from stagedoor._face.collector import spare_collector
from stagedoor._face.declaration import Declaration
from stagedoor._face.declared import Source
from stagedoor._face.running import Running
from stagedoor._face.session_routes import session_routes
from stagedoor._face.settings import prefix_of, settings_from, url_from
from stagedoor._face.start_warnings import unshared, warned
from stagedoor._face.unknown import validate_known
from stagedoor._face.world import World
from stagedoor._guards.visitors import Authenticator
from stagedoor._observers.logs import LogStream
from stagedoor._transports.http import HttpTransport
from stagedoor.errors import ConfigError

__all__ = ["Gateway"]

Transports = Mapping[str, Transport[Any, Any]]
Believed = Callable[[str, Authenticator | None], Authenticator]


class Gateway(Declaration):
    """Services, screens, handlers and all that belongs to them, as a declaration and as an ASGI application.

    Importing a module that declares one reads no environment and opens nothing. `build` makes a running gateway, any
    number side by side; serving one (`stagedoor run`, uvicorn, a mount) builds it in its lifespan.

    `name` is the prefix of its settings: SHOP_ACCOUNTS_URL, SHOP_PORT, ... (`-` becomes `_`). The environment wins
    over `url=`; `settings` given here replace the environment. `deadline` is the seconds of a request, `lifespan` what
    is entered while it runs, `middleware` ASGI applications round it, outermost first. `documents` are the OpenAPI
    documents and the pages that show them, `title`, `version` and `description` stand in each. `headers` stand in every
    answer that does not say them itself, `X-Content-Type-Options: nosniff` anyhow. `exposed` are the fields of answers
    that pages of `cors_origins` may read, all that the kit writes unless given. Raises `ConfigError`.
    """

    @cached_property
    def _serving(self) -> weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[Running]]:
        """Return what serves, by its event loop: born with the first, since a declaration holds nothing at work.

        Of several in one loop the last that began answers, and they end in any order.
        """
        return weakref.WeakKeyDictionary()

    @asynccontextmanager
    async def build(
        self, env: Env | None = None, *, transports: Transports | None = None
    ) -> AsyncIterator[Running]:
        """Open a gateway of your own, for a job or a script, and close it in reverse order at the end.

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
        mistakes: Callable[[BaseException], object] | None = None,
        stream: LogStream | None = None,
        believed: Believed | None = None,
    ) -> Running:
        """Return a gateway that has not been opened.

        `environment` has the settings, the process's own unless given. `reachable` False builds one without addresses,
        to look at. `functions` take the place of sources, and `mistakes` hears of what clients see as 500;
        `stream` takes the log, and what `believed` makes of each guard takes its place.
        """
        variables = os.environ if environment is None else environment
        blueprint = Blueprint(self)
        settings = settings_from(variables, self.name, self.settings)
        names = [one.name for one in blueprint.services]
        rows = [name for guard in blueprint.guards for name, _, _ in guard.variables(self.name)]
        validate_known(variables, self.name, names, rows, given=self.settings is not None)
        labels = {one.name: one.label for one in blueprint.behind}
        world = World(
            settings, labels, env, release=self.version, name=self.name, all_logs=all_logs, stream=stream
        )
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
                    decompress=service.decompress,
                )
        if missing and reachable and not settings.docs_only:
            raise ConfigError(f"the address of a service is missing: set {', '.join(missing)}, or give url=")
        needed = reachable and not settings.docs_only and believed is None
        found = authenticators(
            blueprint.guards, variables, self.name, world.env, given, settings=settings, needed=needed
        )
        sessions = session_routes(blueprint.guards, found, docs_only=settings.docs_only)
        if believed is not None:
            found = {name: believed(name, one) for name, one in found.items()}
        return Running(
            self,
            blueprint,
            settings,
            world,
            given,
            functions=functions or {},
            mistakes=mistakes or _ignore,
            guards=Guards(found, self.name, sessions),
        )

    def inspected(self) -> "Inspected":
        """Return what `stagedoor check` looks at; raises `ConfigError` with everything that is wrong."""
        blueprint = Blueprint(self)
        running = self.looked_at(reachable=False)
        web = running.web
        notes = filter(None, [unshared(running.settings, running.redis_variable)])
        behind = {one.name: [each.name for each in blueprint.seen(one.function)] for one in blueprint.sources}
        return Inspected(
            web.plans, web.upstreams, web.routes, tuple(blueprint.unseen()), tuple(notes), behind
        )

    def looked_at(self, *, reachable: bool) -> Running:
        """Return a gateway that will not be opened; raises `ConfigError` with everything that is wrong."""
        return self.made(Env(SystemClock(), _half, _unobserved), reachable=reachable)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """Use the gateway that serves in this event loop; where none does, open one for as long as the block lasts.

        For jobs, GraphQL resolvers and other frameworks.
        """
        serving = self._here()
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
    async def served(self, made: Running | None = None) -> AsyncIterator[Running]:
        """Be the gateway that serves in this event loop: the one `made` of this declaration, or a new one."""
        loop = asyncio.get_running_loop()
        async with (made or self.made()).opened() as running, warned(running):
            here = self._serving.setdefault(loop, [])
            here.append(running)
            try:
                yield running
            finally:
                here.remove(running)

    async def __call__(self, scope: Any, receive: Any, send: Any, *, alone: Running | None = None) -> None:  # noqa: ANN401
        """Serve one ASGI connection; raises `RuntimeError` where nobody ran the lifespan.

        `alone` is what was made to serve where the process is this gateway's: once, before there was a connection.
        """
        if scope["type"] == "lifespan":
            await self._live(receive, send, alone)
            return
        running = self._here()
        if running is None:
            raise RuntimeError(
                f"the gateway {self.name!r} is not open: its lifespan did not run. Mounted, say "
                "FastAPI(lifespan=app.lifespan); under uvicorn leave --lifespan on"
            )
        await running(scope, receive, send)

    def serving(self) -> list[Running]:
        """Return what serves now, in whichever loop."""
        return [running for here in self._serving.values() for running in here]

    def _here(self) -> Running | None:
        """Return what serves in this event loop; None if nothing does."""
        here = self._serving.get(asyncio.get_running_loop())
        return here[-1] if here else None

    async def _live(self, receive: Any, send: Any, alone: Running | None) -> None:  # noqa: ANN401 - ASGI's own types
        await receive()
        phase = "startup"
        try:
            async with self.served(alone):
                if alone is not None:
                    spare_collector()
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
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
    notes: Sequence[str] = ()  # what is right, and should be known before there are several processes
    behind: Mapping[str, Sequence[str]] = field(default_factory=dict)  # whom each source asks, by names


def _half() -> float:
    return 0.5


def _unobserved(_: object) -> None:
    """Tell nobody."""


def _ignore(_: BaseException) -> None:
    """Leave a mistake to the log."""
