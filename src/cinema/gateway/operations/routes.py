"""The operators' routes, in one table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cinema import __version__
from cinema.gateway.caches import Caches
from cinema.gateway.operations.caches import cache_stats
from cinema.gateway.operations.health import alive, health, ready
from cinema.gateway.operations.models import (
    Alive,
    CacheStats,
    HealthAnswer,
    Ready,
    StartAnswer,
    SystemInfo,
)
from cinema.gateway.operations.start import start_page
from cinema.gateway.operations.system import system_info
from stagedoor.clock import Clock
from stagedoor.observers.metrics import Metrics
from stagedoor.upstream import Upstream
from stagedoor.web.answer import Answer
from stagedoor.web.health import Health
from stagedoor.web.request import Request
from stagedoor.web.routes import Documentation, Handler, Route

__all__ = ["Inside", "operation_routes", "start_route"]

_TAG = ("operations",)
_EXAMPLES = (
    "/api/profile/user123",
    "/api/v1/films?sort=-imdb_rating&page_size=50&page_number=1",
    "/api/v1/films/search?query=star",
    "/v1/films?title=star&imdb_rating=7&imdb_rating=",
    "/api/v1/genres",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the operators' routes look at."""

    clock: Clock
    metrics: Metrics
    caches: Caches
    health: Health
    upstreams: Sequence[Upstream[Any, Any]]
    is_ready: Callable[[], bool]
    active: Callable[[], int]


def operation_routes(inside: Inside) -> list[Route]:
    """Return the routes of this folder, but for the start page."""
    clock, caches = inside.clock, inside.caches
    system = system_info(
        inside.upstreams,
        active=inside.active,
        cache=caches.in_short,
        counts=caches.counts,
        start=clock.wall(),
    )
    return [
        _live("/health/live", alive, Documentation(summary="Is the process alive?", tags=_TAG, model=Alive)),
        _live(
            "/health/ready",
            ready(inside.is_ready),
            Documentation(summary="Does it take requests?", tags=_TAG, model=Ready, problems=(503,)),
        ),
        _live(
            "/health",
            health(inside.health, caches.in_use, clock=clock, version=__version__),
            Documentation(
                summary="How is everything behind the gateway?",
                description="Asked just now, in parallel. `degraded` as soon as one component is not healthy.",
                tags=_TAG,
                model=HealthAnswer,
            ),
        ),
        _metrics(inside.metrics),
        _counted("/api/cache/stats", cache_stats(caches), "How does the cache fare?", CacheStats),
        _counted("/api/system/info", system, "What does the process hold?", SystemInfo),
    ]


def start_route(routes: Sequence[Route], clock: Clock) -> Route:
    """Return the start page, which lists the given routes."""
    handle = start_page(routes, _EXAMPLES, clock=clock, version=__version__)
    return _counted("/", handle, "Where is everything?", StartAnswer)


def _live(path: str, handle: Handler, documentation: Documentation) -> Route:
    return Route(
        path=path, handle=handle, public=True, live=True, kind="operations", documentation=documentation
    )


def _counted(path: str, handle: Handler, summary: str, model: type) -> Route:
    documentation = Documentation(summary=summary, tags=_TAG, model=model, problems=(429,))
    return Route(path=path, handle=handle, public=True, kind="operations", documentation=documentation)


def _metrics(metrics: Metrics) -> Route:
    async def handle(_: Request) -> Answer:
        body, kind = metrics.render()
        return Answer(200, ((b"content-type", kind.encode()), (b"cache-control", b"no-store")), body)

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
