"""The composition root of the gateway: everything is built here, in order, and closed in reverse.

`app` is built from the settings when it is first asked for, so that a plain ASGI server can load this module:
`DOCS_ONLY=true uvicorn cinema.gateway.app:app --reload`.
"""

import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import Any

from cinema import __version__
from cinema.gateway.admission import cors_of, throttle_of
from cinema.gateway.caches import Caches, caches_of
from cinema.gateway.catalogue.engine import engine_of, search_probe
from cinema.gateway.catalogue.routes import catalogue_routes
from cinema.gateway.catalogue.watch import Watch, watch_of
from cinema.gateway.documents import documentation, without_data
from cinema.gateway.operations.routes import Inside, operation_routes, start_route
from cinema.gateway.profile.routes import profile_route
from cinema.gateway.upstreams import SERVICE_NAMES, Connect, Upstreams, upstreams_of
from cinema.settings import Settings, load
from stagedoor.addresses import trust
from stagedoor.call import Env
from stagedoor.clock import Clock, SystemClock
from stagedoor.observers import fan_out
from stagedoor.observers.logs import Logs, Stream
from stagedoor.observers.metrics import Metrics
from stagedoor.observers.sentry import Sentry
from stagedoor.search.engine import Engine
from stagedoor.upstream import Upstream
from stagedoor.web.gateway import Gateway
from stagedoor.web.health import Health, Probe, probe_of
from stagedoor.web.routes import Route
from stagedoor.web.throttle import Limiter

__all__ = ["build"]


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    connect: Connect | None = None,
    engine: Engine | None = None,
    stream: Stream | None = None,
) -> Gateway:
    """Return the gateway these settings describe; it connects to nothing before it is served.

    Tests give a clock that stands still, a `connect` and an `engine` that are fakes, and a stream that keeps the log.
    """
    clock = clock or SystemClock()
    logs = Logs(
        stream or sys.stdout.buffer, level=settings.log_level, format=settings.log_format, clock=clock
    )
    metrics = Metrics({**SERVICE_NAMES, "redis": "redis"}, process=True)
    sentry = _sentry(settings, clock)
    env = Env(clock=clock, rng=random.random, observe=fan_out(metrics, logs))

    engine = engine or engine_of(settings, clock)
    upstreams = upstreams_of(settings, env, engine, connect)
    caches = caches_of(settings, env)
    throttle = throttle_of(settings, caches, clock)
    profile, plan, profiles = profile_route(settings, upstreams, caches.store, env)
    catalogue, pages = catalogue_routes(settings, upstreams.search, caches.store, env)
    watch = watch_of(settings, engine, caches, metrics, clock)
    remotes: tuple[Upstream[Any, Any], ...] = (profiles, pages, *upstreams.all())

    inside = Inside(
        clock=clock,
        metrics=metrics,
        caches=caches,
        health=Health(_probes(settings, upstreams, caches, clock), clock),
        upstreams=remotes,
        is_ready=lambda: gateway.ready,
        active=lambda: gateway.active,
    )
    gateway = Gateway(
        _routes([profile, *catalogue], inside, docs_only=settings.docs_only),
        env=env,
        name="cinema",
        deadline=settings.gateway_deadline_ms / 1000,
        traffic=(metrics, logs) if sentry is None else (metrics, logs, sentry),
        upstreams=remotes,
        plans=(plan,),
        trusted=trust(settings.trusted_proxies),
        throttle=throttle,
        cors=cors_of(settings),
        lifespan=_lifespan(remotes, caches, throttle, watch, logs, sentry, docs_only=settings.docs_only),
    )
    return gateway


def _probes(settings: Settings, upstreams: Upstreams, caches: Caches, clock: Clock) -> dict[str, Probe]:
    """Return what /health asks; nothing, where only documents are served."""
    if settings.docs_only:
        return {}
    probes = {SERVICE_NAMES[one.name]: probe_of(one, clock) for one in upstreams.services()}
    probes["search"] = search_probe(upstreams.search, clock)
    return probes if caches.redis is None else {**probes, "redis": caches.probe}


def _routes(data: list[Route], inside: Inside, *, docs_only: bool) -> list[Route]:
    """Return every route; the start page and the documents show all but themselves."""
    shown = [*data, *operation_routes(inside)]
    shown.append(start_route(shown, inside.clock))
    served = without_data(data) if docs_only else data
    return [*served, *shown[len(data) :], *documentation(lambda: shown)]


def _sentry(settings: Settings, clock: Clock) -> Sentry | None:
    """Return who is told of our own errors; nobody without an address."""
    if settings.sentry_dsn is None:
        return None
    return Sentry(
        settings.sentry_dsn,
        environment=settings.sentry_environment,
        release=__version__,
        traces_rate=settings.sentry_traces_rate,
        rng=random.random,
        clock=clock,
    )


def _lifespan(
    remotes: Sequence[Upstream[Any, Any]],
    caches: Caches,
    throttle: Limiter | None,
    watch: Watch,
    logs: Logs,
    sentry: Sentry | None,
    *,
    docs_only: bool,
) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Return what opens the gateway, and closes it in reverse."""

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            logs.capture(level="WARNING")
            stack.push_async_callback(logs.aclose)
            if sentry is not None:
                sentry.watch()
                stack.push_async_callback(sentry.aclose)
            stack.push_async_callback(caches.aclose)
            if throttle is not None:
                stack.push_async_callback(throttle.aclose)
            for remote in reversed(remotes):
                stack.push_async_callback(remote.aclose)
            stack.push_async_callback(watch.aclose)
            if not docs_only:
                await caches.start()
                await watch.start()
            if throttle is not None:
                await throttle.start()
            yield

    return life


@lru_cache(maxsize=1)
def _application() -> Gateway:
    return build(load())


def __getattr__(name: str) -> Gateway:
    """Build `app` when it is first asked for: importing this module reads and opens nothing."""
    if name == "app":
        return _application()
    raise AttributeError(name)
