"""The search engine of the gateway: embedded, or a cluster's where SEARCH_URL is set."""

from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor._clock import Clock
from stagedoor._transports.http import HttpTransport
from stagedoor.search.engine import Engine
from stagedoor.search.query import Query

__all__ = ["PROBE", "engine_of"]

PROBE = Query(index="genres", limit=1)


def engine_of(settings: Settings, clock: Clock) -> Engine:
    """Return the engine the settings name; nothing is opened or connected yet."""
    if settings.search_url is None:
        from stagedoor.search.tantivy import TantivyEngine  # noqa: PLC0415 - only where it is in use

        return TantivyEngine(settings.search_dir, INDICES, clock=clock)
    from stagedoor.search.elastic import ElasticEngine  # noqa: PLC0415 - the same

    http = HttpTransport(
        settings.search_url,
        pool_size=settings.gateway_pool_size,
        connect_timeout=settings.gateway_connect_timeout_ms / 1000,
        clock=clock,
    )
    return ElasticEngine(
        http, INDICES, user=settings.search_user or "", password=settings.search_password or ""
    )
