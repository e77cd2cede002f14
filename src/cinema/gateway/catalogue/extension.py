"""The catalogue in the gateway: kept pages are routes of the engine's own kind, not the face's yet."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import cast

from cinema.gateway.catalogue.routes import catalogue_routes
from cinema.gateway.catalogue.warm import Warming
from cinema.gateway.catalogue.watch import watch_of
from cinema.settings import Settings
from stagedoor import Backend, Extension, Running
from stagedoor.search import Engine, Query, Result

__all__ = ["catalogue"]


def catalogue(settings: Settings, search: Backend[Query, Result], running: Running) -> Extension:
    """Return the routes of both dialects, the upstream that keeps their pages, and what runs beside them."""
    upstream = running.upstream(search)
    routes, pages = catalogue_routes(settings, upstream, running.stores.store, running.env)
    engine = cast(Engine, upstream.transport)
    return Extension(
        routes=routes,
        upstreams=[pages],
        lives=[*_lives(settings, engine, running)],
        waits_for={pages.name: search.name},
    )


def _lives(
    settings: Settings, engine: Engine, running: Running
) -> Iterator[AbstractAsyncContextManager[None]]:
    """Yield the watch over finished batches, and what keeps a node warm: the embedded engine starts with us, and is."""
    yield watch_of(settings, engine, running).followed()
    if settings.search_url is not None:
        yield Warming(engine, running.env.clock, settings.search_timeout_ms / 1000).followed()
