"""The gateway's one cache: memory, in front of Redis where a URL is set."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cinema.settings import Settings
from stagedoor.cache.memory import MemoryStore
from stagedoor.cache.redis import RedisServer
from stagedoor.cache.server import StoreDown
from stagedoor.cache.shared import Shared
from stagedoor.cache.store import Store
from stagedoor.cache.tiered import Tiered
from stagedoor.call import Env
from stagedoor.web.health import Component

__all__ = ["CacheType", "Caches", "caches_of"]

CacheType: TypeAlias = Literal["redis", "in_memory"]

_SHOWN_KEYS = 10
_SCAN_COUNT = 1000
_SCAN_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class _Redis:
    """What belongs to a configured Redis."""

    server: RedisServer
    tiers: Tiered
    pattern: str  # of the keys of kept profiles


@dataclass(frozen=True, slots=True)
class Caches:
    """The store that answers are kept in, and what operators may ask of it."""

    store: Store
    memory: MemoryStore
    redis: _Redis | None = None

    def in_use(self) -> CacheType:
        """Return which cache decides now."""
        return "redis" if self.redis is not None and self.redis.tiers.far.up else "in_memory"

    def in_short(self) -> dict[str, Any]:
        """Return what the system page says of the cache."""
        return {"redis_connected": self.in_use() == "redis", "cache_type": self.in_use()}

    def counts(self) -> Mapping[str, int]:
        """Return the tasks that the cache keeps for itself."""
        return {} if self.redis is None else self.redis.tiers.counts()

    async def probe(self) -> Component:
        """Return how Redis is, as the cache itself knows it."""
        if self.in_use() == "redis":
            return Component("healthy")
        return Component("unhealthy", detail="not answering; memory cache in use")

    async def stats(self) -> dict[str, Any]:
        """Return the figures of the cache in use; trouble is told without addresses."""
        if self.redis is None:
            return {"cache_type": "in_memory", "status": "active", "stats": self._memory_stats()}
        if not self.redis.tiers.far.up:
            return {"cache_type": "redis", "status": "error", "error": "not answering; memory cache in use"}
        try:
            return {"cache_type": "redis", "status": "connected", "stats": await _redis_stats(self.redis)}
        except StoreDown:
            return {"cache_type": "redis", "status": "error", "error": "stopped answering"}
        except (ValueError, TypeError):
            return {"cache_type": "redis", "status": "error", "error": "answers that make no sense"}

    async def start(self) -> None:
        """Begin to watch Redis; one that is not there is no error."""
        if self.redis is not None:
            await self.redis.tiers.start()

    async def aclose(self) -> None:
        """Close the connection to Redis."""
        if self.redis is not None:
            await self.redis.tiers.aclose()

    def _memory_stats(self) -> dict[str, Any]:
        keys = [_veiled(key) for key in self.memory.keys(_SHOWN_KEYS)]
        return {"cached_items": self.memory.stats().items, "keys": keys}


def caches_of(settings: Settings, env: Env) -> Caches:
    """Return the cache the settings describe; nothing is connected yet."""
    if settings.redis_url is None:
        memory = MemoryStore(env=env, max_bytes=settings.gateway_cache_bytes)
        return Caches(memory, memory)
    server = RedisServer(settings.redis_url, prefix=settings.redis_prefix)
    far = Shared(server, env=env, timeout=settings.redis_timeout_ms / 1000)
    tiers = Tiered(far, env=env, max_bytes=settings.gateway_cache_bytes)
    pattern = f"{settings.redis_prefix}:profile:*"
    return Caches(tiers, tiers.near, _Redis(server, tiers, pattern))


def _veiled(key: bytes) -> str:
    """Show what kind of key it is, and a digest of whose."""
    kind, _, whose = key.decode(errors="replace").partition(":")
    return f"{kind}:{hashlib.blake2b(whose.encode(), digest_size=6).hexdigest()}"


async def _redis_stats(redis: _Redis) -> dict[str, Any]:
    info = _info(await redis.server.command("INFO"))
    hits, misses = int(info.get("keyspace_hits", 0)), int(info.get("keyspace_misses", 0))
    return {
        "cached_profiles": await _count(redis),
        "used_memory_human": info.get("used_memory_human", ""),
        "connected_clients": int(info.get("connected_clients", 0)),
        "instantaneous_ops_per_sec": int(info.get("instantaneous_ops_per_sec", 0)),
        "hit_rate": round(100 * hits / (hits + misses), 2) if hits + misses else 0.0,
    }


def _info(text: object) -> dict[str, str]:
    if not isinstance(text, bytes):
        raise TypeError("INFO is text")
    pairs = (line.partition(":") for line in text.decode(errors="replace").splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}


async def _count(redis: _Redis) -> int:
    """Count the kept profiles with a cursor, never with a full listing, and give up counting at some point."""
    cursor, found = b"0", 0
    for _ in range(_SCAN_ROUNDS):
        cursor, keys = await redis.server.command(
            "SCAN", cursor, "MATCH", redis.pattern, "COUNT", _SCAN_COUNT
        )
        found += len(keys)
        if cursor == b"0":
            break
    return found
