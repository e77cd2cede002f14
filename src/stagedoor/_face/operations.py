"""The routes that every gateway has beside its own: health, metrics, documents."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from stagedoor import problems
from stagedoor.call import Call, Env
from stagedoor.deadline import Deadline
from stagedoor.errors import UpstreamError
from stagedoor.requests import HttpRequest
from stagedoor.web.answer import Answer, json
from stagedoor.web.docs import DocumentSet, documentation_routes
from stagedoor.web.health import Component, Health, Probe, overall
from stagedoor.web.request import Request
from stagedoor.web.routes import Documentation, Handler, Refused, Route

if TYPE_CHECKING:
    from stagedoor._face.gateway import Gateway
    from stagedoor._face.remote import Remote
    from stagedoor._face.running import Running
    from stagedoor._face.sources import Sourcing

__all__ = ["operations_of"]

_NO_STORE = ((b"cache-control", b"no-store"),)
_TAG = ("operations",)
_SECONDS = 1.0
_WORDS = {
    "timeout": "not answering in time",
    "unavailable": "not reachable, or failing",
    "circuit_open": "not reachable, or failing",
    "overloaded": "no connection free",
    "rejected": "has no /health",
    "garbled": "its answers cannot be understood",
}


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


def operations_of(running: "Running", declared: "Gateway") -> list[Route]:
    """Return the routes, but for those whose paths the gateway has itself."""
    health = Health(_probes(running), running.env.clock)
    metrics = running.world.metrics
    routes = [
        _live("/health/live", _alive, "Is the process alive?", Said),
        _live("/health/ready", partial(_ready, running), "Does it take requests?", Said, (503,)),
        _live(
            "/health",
            partial(_health, running, declared, health),
            "How is what stands behind the gateway?",
            HealthSaid,
        ),
    ]
    if metrics is not None:
        routes.append(_metrics(metrics.render))
    shown = routes.copy()
    sets = (DocumentSet(openapi="/openapi.json", swagger=("/docs",), redoc="/redoc"),)
    documents = documentation_routes(
        sets,
        routes=lambda: [route for route in running.web.routes if route.documentation is not None],
        title=declared.title,
        version=declared.version,
        description="",
        nonce=partial(secrets.token_urlsafe, 16),
        namespace=declared.name,
    )
    own = declared.own_paths()
    return [route for route in (*shown, *documents) if route.path not in own]


def _live(path: str, handle: Handler, summary: str, model: Any, said: Sequence[int] = ()) -> Route:  # noqa: ANN401
    documentation = Documentation(summary=summary, tags=_TAG, model=model, problems=tuple(said))
    return Route(
        path=path, handle=handle, public=True, live=True, kind="operations", documentation=documentation
    )


async def _alive(_: Request) -> Answer:
    """Say that the process runs; touches nothing else."""
    return json({"status": "alive"}, headers=_NO_STORE)


async def _ready(running: "Running", _: Request) -> Answer:
    """Say whether requests are welcome; outages behind the gateway do not change it."""
    if not running.web.ready:
        raise Refused(problems.overloaded())
    return json({"status": "ready"}, headers=_NO_STORE)


async def _health(running: "Running", declared: "Gateway", health: Health, _: Request) -> Answer:
    """Say how each component is; 200 as long as the gateway itself serves."""
    components = await health.components()
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
    async def handle(_: Request) -> Answer:
        body, kind = render()
        return Answer(200, ((b"content-type", kind.encode()), *_NO_STORE), body)

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


def _probes(running: "Running") -> Mapping[str, Probe]:
    probes: dict[str, Probe] = {one.name: _probe(one, running.env) for one in running.remotes}
    probes |= {one.name: _source_probe(one) for one in running.sourcings}
    if running.stores.tiers is not None:
        probes["redis"] = running.stores.probe
    return probes


def _source_probe(sourcing: "Sourcing") -> Probe:
    """Return a probe that tells how a source fared of late: only its users know how to ask it."""

    async def probe() -> Component:
        states = {getattr(layer, "state", "closed") for layer in sourcing.upstream.layers}
        if "open" in states:
            return Component("unhealthy", detail="failing: the circuit breaker is open")
        if "half_open" in states:
            return Component("degraded", detail="returning: the circuit breaker is half open")
        return Component("healthy")

    return probe


def _probe(remote: "Remote", env: Env) -> Probe:
    """Return a probe that asks a service's /health past its policies; one without such a path answers all the same."""
    request = HttpRequest(target=b"/health", headers=((b"accept", b"application/json"),))
    transport, now = remote.transport, env.clock.now

    async def probe() -> Component:
        started = now()
        call = Call(f"{remote.name}.health", request, b"", "", Deadline(started + _SECONDS), True)
        try:
            await transport.send(call)
        except UpstreamError as error:
            if error.reason != "rejected":
                return Component("unhealthy", detail=_WORDS[error.reason])
        ms = round((now() - started) * 1000, 1)
        if remote.upstream.half_open():
            return Component("degraded", ms, "returning: the circuit breaker is half open")
        return Component("healthy", ms)

    return probe
