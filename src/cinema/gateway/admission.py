"""Who may ask, and how often: clients behind proxies, their limit, the pages of other origins."""

import os
import secrets

from cinema.gateway.caches import Caches
from cinema.settings import Settings
from stagedoor.cache.redis_tally import RedisTally
from stagedoor.clock import Clock
from stagedoor.web.cors import Cors
from stagedoor.web.shared_throttle import SharedThrottle
from stagedoor.web.throttle import Limiter, Quota, Throttle

__all__ = ["cors_of", "throttle_of"]


def throttle_of(settings: Settings, caches: Caches, clock: Clock) -> Limiter | None:
    """Return the limit per client, shared with every gateway on the same Redis; None if it is off."""
    limit = settings.rate_limit
    if limit is None:
        return None
    quota = Quota(requests=limit.requests, seconds=limit.seconds)
    if caches.redis is None or settings.docs_only:
        return Throttle(quota, clock)
    member = f"{os.getpid()}-{secrets.token_hex(8)}"
    tally = RedisTally(caches.redis.server, prefix=settings.redis_prefix, member=member)
    return SharedThrottle(quota, tally, clock, timeout=settings.redis_timeout_ms / 1000)


def cors_of(settings: Settings) -> Cors | None:
    """Return the list of origins whose pages may read our answers; None if there is none."""
    return Cors(settings.cors_origins) if settings.cors_origins else None
