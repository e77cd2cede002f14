"""The catalogue in the gateway: kept pages are routes of the engine's own kind, not the face's yet."""

from typing import cast

from cinema.gateway.catalogue.routes import catalogue_routes
from cinema.gateway.catalogue.watch import watch_of
from cinema.settings import Settings
from stagedoor import Backend, Extension, Running
from stagedoor.search import Engine, Query, Result

__all__ = ["catalogue"]


def catalogue(settings: Settings, search: Backend[Query, Result], running: Running) -> Extension:
    """Return the routes of both dialects, the upstream that keeps their pages, and the watch over finished batches."""
    upstream = running.upstream(search)
    routes, pages = catalogue_routes(settings, upstream, running.stores.store, running.env)
    watch = watch_of(settings, cast(Engine, upstream.transport), running)
    return Extension(
        routes=routes, upstreams=[pages], lives=[watch.followed()], waits_for={pages.name: search.name}
    )
