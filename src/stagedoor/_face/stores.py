"""Where answers are kept and limits are counted: in memory, shared over Redis where an address is set."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from stagedoor._face.settings import Settings
from stagedoor.cache.memory import MemoryStore
from stagedoor.cache.store import Store
from stagedoor.cache.tiered import Tiered
from stagedoor.call import Env
from stagedoor.errors import ConfigError
from stagedoor.web.health import Component
from stagedoor.web.shared_throttle import SharedThrottle
from stagedoor.web.throttle import Limiter, Throttle

__all__ = ["Stores", "stores_of"]

_REDIS_TIMEOUT = 0.05


@dataclass(frozen=True, slots=True)
class Stores:
    """The store of one running gateway, and what limits its clients."""

    store: Store
    tiers: Tiered | None
    throttle: Limiter | None

    async def start(self) -> None:
        """Begin to watch Redis, and to share limits; a Redis that is not there is no error."""
        if self.tiers is not None:
            await self.tiers.start()
        if self.throttle is not None:
            await self.throttle.start()

    async def aclose(self) -> None:
        """Close in reverse."""
        if self.throttle is not None:
            await self.throttle.aclose()
        if self.tiers is not None:
            await self.tiers.aclose()

    async def probe(self) -> Component:
        """Return how Redis is, as the store itself knows it."""
        if self.tiers is not None and self.tiers.far.up:
            return Component("healthy")
        return Component("unhealthy", detail="not answering; memory in use")

    def counts(self) -> Mapping[str, int]:
        """Return the tasks of the store itself."""
        return {} if self.tiers is None else self.tiers.counts()


def stores_of(settings: Settings, name: str, env: Env) -> Stores:
    """Return what the settings describe; nothing is connected yet. Raises `ConfigError`."""
    quota = settings.quota
    if not settings.redis_url:
        throttle = None if quota is None else Throttle(quota, env.clock)
        return Stores(MemoryStore(env=env, max_bytes=settings.cache_bytes), None, throttle)
    try:
        from stagedoor.cache.redis import RedisServer  # noqa: PLC0415 - an extra: loaded where it is used
        from stagedoor.cache.redis_tally import RedisTally  # noqa: PLC0415
        from stagedoor.cache.shared import Shared  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("redis_url is set, which needs hiredis: pip install stagedoor[redis]") from error
    server = RedisServer(settings.redis_url, prefix=name)
    far = Shared(server, env=env, timeout=_REDIS_TIMEOUT)
    tiers = Tiered(far, env=env, max_bytes=settings.cache_bytes)
    if quota is None:
        return Stores(tiers, tiers, None)
    member = f"{os.getpid()}-{secrets.token_hex(8)}"
    tally = RedisTally(server, prefix=name, member=member)
    return Stores(tiers, tiers, SharedThrottle(quota, tally, env.clock))
