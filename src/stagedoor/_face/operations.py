"""The routes that every gateway has beside its own: health, metrics, documents."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from pydantic import BaseModel

from stagedoor import _problems as problems
from stagedoor._call import Env
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._face.authenticators import Guards
from stagedoor._face.blueprint import Blueprint
from stagedoor._face.roles import AtWork, Declares
from stagedoor._face.settings import Settings
from stagedoor._face.sources import Sourcing
from stagedoor._face.stores import Stores
from stagedoor._face.world import World
from stagedoor._requests import HttpRequest
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.docs import documentation_routes
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.health import Component, Probe, overall, probe_of
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, Handler, RequestRefused, Route

__all__ = ["operations_of", "probes_of"]

_NO_STORE = ((b"cache-control", b"no-store"),)
_ACCEPT = ((b"accept", b"application/json"),)
_TAG = ("operations",)
_SECONDS = 3.0  # for any of them; a probe may take one, and whoever asks waits for those that are under way


class Said(BaseModel):
    """One word on the process."""

    status: str


class HealthSaid(BaseModel):
    """The gateway and what stands behind it."""

    status: str
    service: str
    version: str
    timestamp: str
    components: dict[str, dict[str, Any]]


class Operated(AtWork, Protocol):
    """A gateway at work, as its operations see it."""

    settings: Settings
    world: World
    env: Env
    stores: Stores
    guards: Guards
    web: GatewayApp

    @property
    def sourcings(self) -> Sequence[Sourcing]:
        """Return all sources."""
        ...

    async def components(self) -> Mapping[str, Component]:
        """Ask how each thing behind the gateway is."""
        ...


def operations_of(running: Operated, declared: Declares) -> list[Route]:
    """Return the routes, but for those whose paths the gateway has itself."""
    metrics = running.world.metrics
    routes = [
        _live("/health/live", _alive, "Is the process alive?", Said),
        _live("/health/ready", partial(_ready, running), "Does it take requests?", Said, (503,)),
        _live(
            "/health",
            partial(_health, running, declared),
            "How is what stands behind the gateway?",
            HealthSaid,
        ),
    ]
    if metrics is not None:
        routes.append(_metrics(metrics.render))
    routes = [replace(route, handle=_bounded(route.handle, running.env.clock)) for route in routes]
    shown = routes.copy()
    documents = documentation_routes(
        declared.documents,
        routes=lambda: [route for route in running.web.routes if route.documentation is not None],
        title=declared.title,
        version=declared.version,
        description=declared.description,
        nonce=partial(secrets.token_urlsafe, 16),
        namespace=declared.name,
    )
    own = declared.own_paths()
    return [route for route in (*shown, *documents) if route.path not in own]


def _bounded(handle: Handler, clock: Clock) -> Handler:
    """Return a handler that answers in time: whoever asks how things are must hear it while they are bad."""

    async def bounded(request: Request) -> WebAnswer:
        try:
            with TimeoutScope(clock, DueTime(clock.now() + _SECONDS)):
                return await handle(request)
        except TimeoutError:
            raise RequestRefused(problems.upstream_timeout(1.0)) from None

    return bounded


def _live(path: str, handle: Handler, summary: str, model: Any, said: Sequence[int] = ()) -> Route:  # noqa: ANN401
    documentation = Documentation(summary=summary, tags=_TAG, model=model, problems=tuple(said))
    return Route(
        path=path, handle=handle, public=True, live=True, kind="operations", documentation=documentation
    )


async def _alive(_: Request) -> WebAnswer:
    """Say that the process runs; touches nothing else."""
    return json({"status": "alive"}, headers=_NO_STORE)


async def _ready(running: Operated, _: Request) -> WebAnswer:
    """Say whether requests are welcome; outages behind the gateway do not change it."""
    if not running.web.ready:
        raise RequestRefused(problems.overloaded())
    return json({"status": "ready"}, headers=_NO_STORE)


async def _health(running: Operated, declared: Declares, _: Request) -> WebAnswer:
    """Say how each component is; 200 as long as the gateway itself serves."""
    components = await running.components()
    return json(
        {
            "status": overall(components),
            "service": declared.name,
            "version": declared.version,
            "timestamp": datetime.fromtimestamp(running.env.clock.wall(), UTC).isoformat(),
            "components": {name: one.as_json() for name, one in components.items()},
        },
        headers=_NO_STORE,
    )


def _metrics(render: Callable[[], tuple[bytes, str]]) -> Route:
    async def handle(_: Request) -> WebAnswer:
        body, kind = render()
        return WebAnswer(200, ((b"content-type", kind.encode()), *_NO_STORE), body)

    documentation = Documentation(
        summary="Metrics in the Prometheus text format", tags=_TAG, model=str, media_type="text/plain"
    )
    return Route(
        path="/metrics",
        handle=handle,
        public=True,
        live=True,
        counted=False,
        kind="operations",
        documentation=documentation,
    )


def probes_of(running: Operated, blueprint: Blueprint) -> Mapping[str, Probe]:
    """Return what /health asks, by the label of each thing; nothing where only documents are served."""
    if running.settings.docs_only:
        return {}
    probes: dict[str, Probe] = {}
    for service in blueprint.services:
        remote, wanted = running.remote(service), service.health
        request = HttpRequest(target=(wanted or "/health").encode(), headers=_ACCEPT)
        tolerant = not wanted  # one that has no such path answers all the same
        probes[service.label] = probe_of(
            remote.upstream, remote.transport, request, running.env.clock, tolerant=tolerant
        )
    for backend in blueprint.backends:
        if backend.health is not None:
            upstream = running.upstream(backend)
            probes[backend.label] = probe_of(upstream, upstream.transport, backend.health, running.env.clock)
    probes |= {one.declared.label: _source_probe(one) for one in running.sourcings}
    if running.stores.tiers is not None:
        probes["redis"] = running.stores.probe
    return {**probes, **running.guards.probes}


def _source_probe(sourcing: Sourcing) -> Probe:
    """Return a probe that tells how a source fared of late: only its users know how to ask it."""

    async def probe() -> Component:
        states = sourcing.upstream.circuits()
        if "open" in states:
            return Component("unhealthy", detail="failing: the circuit breaker is open")
        if "half_open" in states:
            return Component("degraded", detail="returning: the circuit breaker is half open")
        return Component("healthy")

    return probe
