"""The search engine of the gateway: embedded, or a cluster's where SEARCH_URL is set."""

from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor.call import Call
from stagedoor.clock import Clock
from stagedoor.deadline import Deadline
from stagedoor.errors import UpstreamError
from stagedoor.search.elastic import ElasticEngine
from stagedoor.search.engine import Engine
from stagedoor.search.query import Query, Result
from stagedoor.search.tantivy import TantivyEngine
from stagedoor.transports.http import HttpTransport
from stagedoor.upstream import Upstream
from stagedoor.web.health import Component, Probe

__all__ = ["engine_of", "search_probe"]

_PROBE = Query(index="genres", limit=1)


def engine_of(settings: Settings, clock: Clock) -> Engine:
    """Return the engine the settings name; nothing is opened or connected yet."""
    if settings.search_url is None:
        return TantivyEngine(settings.search_dir, INDICES, clock=clock)
    http = HttpTransport(
        settings.search_url,
        pool_size=settings.gateway_pool_size,
        connect_timeout=settings.gateway_connect_timeout_ms / 1000,
        clock=clock,
    )
    return ElasticEngine(
        http, INDICES, user=settings.search_user or "", password=settings.search_password or ""
    )


def search_probe(search: Upstream[Query, Result], clock: Clock) -> Probe:
    """Return a probe that asks for one genre, past all policies."""
    transport = search.transport

    async def probe() -> Component:
        started = clock.now()
        deadline = Deadline(started + 1.0)
        try:
            await transport.send(
                Call(
                    operation="search.health",
                    payload=_PROBE,
                    key=b"",
                    identity="",
                    deadline=deadline,
                    idempotent=True,
                )
            )
        except UpstreamError as error:
            return Component("unhealthy", detail=f"the index cannot be asked ({error.reason})")
        ms = round((clock.now() - started) * 1000, 1)
        if search.half_open():
            return Component("degraded", ms, "returning: the circuit breaker is half open")
        return Component("healthy", ms)

    return probe
