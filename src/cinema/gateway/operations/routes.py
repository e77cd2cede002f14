"""The operators' routes beside those that every gateway has."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from cinema import __version__
from cinema.gateway.operations.models import CacheStats, HealthAnswer, StartAnswer, SystemInfo
from cinema.gateway.operations.reported import reported
from cinema.gateway.operations.start import DOCS, HTML, MONITORING, page, prefers_html
from cinema.gateway.operations.system import Measured, system_info
from stagedoor import Answer, Gateway, Header, Running
from stagedoor.errors import UpstreamError

__all__ = ["declare_operations"]

_TAG = ("operations",)
_PATIENT = 5.0  # seconds: a probe alone may take one, and operators wait longer than screens
_VARY = {"vary": "Accept", "cache-control": "no-cache"}
Accept = Annotated[str, Header(), Field(description="HTML or JSON", examples=["application/json"])]


def declare_operations(app: Gateway) -> None:
    """Declare the start page, health, and what the cache and the process hold."""
    measured = Measured()

    @app.get("/health", live=True, deadline=_PATIENT, tags=_TAG)
    async def health(running: Running) -> HealthAnswer:
        """Tell how everything behind the gateway is.

        Asked just now, in parallel. `degraded` as soon as one component is not healthy.
        """
        return await _health(running)

    @app.get("/api/cache/stats", deadline=_PATIENT, tags=_TAG, priority="operations")
    async def cache(running: Running) -> CacheStats:
        """Tell how the cache fares."""
        return await _cache_stats(running)

    @app.get("/api/system/info", deadline=_PATIENT, tags=_TAG, priority="operations")
    async def system(running: Running) -> SystemInfo:
        """Tell what the process holds."""
        return await system_info(running, measured)

    @app.get("/", tags=_TAG, priority="operations")
    async def start(running: Running, accept: Accept = "") -> Answer[StartAnswer | bytes]:
        """Tell where everything is."""
        shown = [one for one in running.endpoints() if one != "GET /"]
        if prefers_html(accept.encode()):
            return Answer(page(shown, __version__).encode(), headers={**HTML, **_VARY})
        return Answer(_start(shown, running), headers=_VARY)


async def _cache_stats(running: Running) -> CacheStats:
    """Return the figures of the cache in use; trouble is told without addresses."""
    stores = running.stores
    if stores.tiers is None:
        return CacheStats(cache_type="in_memory", status="active", stats=stores.memory_figures())
    try:
        figures = await stores.redis_figures("profile")
    except UpstreamError as error:
        return CacheStats(cache_type="redis", status="error", error=error.detail)
    stats = {"cached_profiles": figures.pop("keys"), **figures}
    return CacheStats(cache_type="redis", status="connected", stats=stats)


async def _health(running: Running) -> HealthAnswer:
    components = reported(await running.components())
    states = {name: one.status for name, one in components.items()}
    return HealthAnswer(
        status=_all_in_all(states.values()),
        service="api-gateway",
        version=__version__,
        timestamp=_now(running),
        components={name: one.as_json() for name, one in components.items()},
        services={**states},
        cache={"type": running.stores.in_use, "status": _all_in_all([states.get("redis", "healthy")])},
    )


def _all_in_all(states: Iterable[str]) -> str:
    """Return "healthy" only where everything is; the gateway itself serves either way."""
    return "healthy" if {*states} <= {"healthy"} else "degraded"


def _start(shown: Sequence[str], running: Running) -> StartAnswer:
    return StartAnswer(
        message="cinema: one door to films, profiles and more",
        service="api-gateway",
        version=__version__,
        date=_now(running),
        monitoring=MONITORING,
        endpoints=[*shown],
        docs=[*DOCS],
    )


def _now(running: Running) -> str:
    return datetime.fromtimestamp(running.env.clock.wall(), UTC).isoformat()
