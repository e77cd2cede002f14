"""/api/cache/stats: the cache in use and how it fares."""

from cinema.gateway.caches import Caches
from stagedoor.web.answer import Answer, json
from stagedoor.web.request import Request
from stagedoor.web.routes import Handler

__all__ = ["cache_stats"]


def cache_stats(caches: Caches) -> Handler:
    """Return the handler."""

    async def handle(_: Request) -> Answer:
        return json(await caches.stats(), headers=((b"cache-control", b"no-store"),))

    return handle
