"""Where answers are kept and limits are counted: in memory, shared over Redis where an address is set."""

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.server import StoreDown
from stagedoor._cache.shared import Shared
from stagedoor._cache.store import Store
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Env
from stagedoor._face.inputs import nearest
from stagedoor._face.settings import Settings
from stagedoor._web.health import Component
from stagedoor._web.routes import Route
from stagedoor._web.shared_throttle import SharedThrottle
from stagedoor._web.throttle import Limiter, Quota, Throttle
from stagedoor.errors import ConfigError, UpstreamGarbled, UpstreamUnavailable

if TYPE_CHECKING:
    from stagedoor._cache.redis import RedisServer

__all__ = ["Stores", "limits_of_routes", "stores_of"]

_SHOWN_KEYS = 10
_SCAN_COUNT = 1000
_SCAN_ROUNDS = 200
_SILENT = frozenset(("", "connection lost", "refused the connection", "timeout"))


@dataclass(frozen=True, slots=True)
class Stores:
    """The store of one running gateway, what is known of it, and what limits its clients.

    `near` is the memory of this process; `tiers` and `server` are there where a Redis is set.
    """

    store: Store
    near: MemoryStore
    tiers: Tiered | None = None
    server: "RedisServer | None" = None
    throttle: Limiter | None = None
    prefix: str = ""
    limits: Mapping[str, Limiter] = field(default_factory=dict)  # of single routes, by path

    @property
    def limiters(self) -> tuple[Limiter, ...]:
        """Return all that count requests."""
        return (*filter(None, [self.throttle]), *self.limits.values())

    @property
    def in_use(self) -> Literal["redis", "in_memory"]:
        """Return which store decides now."""
        return "redis" if self.tiers is not None and self.tiers.far.up else "in_memory"

    async def start(self) -> None:
        """Begin to watch Redis, and to share limits; a Redis that is not there is no error."""
        if self.tiers is not None:
            await self.tiers.start()
        for limiter in self.limiters:
            await limiter.start()

    async def aclose(self) -> None:
        """Close in reverse."""
        for limiter in reversed(self.limiters):
            await limiter.aclose()
        if self.tiers is not None:
            await self.tiers.aclose()

    async def probe(self) -> Component:
        """Return how Redis is, as the store itself knows it."""
        if self.in_use == "redis":
            return Component("healthy")
        return Component("unhealthy", detail=f"{self.trouble}; memory cache in use")

    @property
    def trouble(self) -> str:
        """Say why Redis is not in use; that nothing comes of it is one thing, whoever found out."""
        told = "" if self.tiers is None else self.tiers.far.trouble
        return "not answering" if told in _SILENT else told

    def counts(self) -> Mapping[str, int]:
        """Return the tasks of the store itself."""
        return {} if self.tiers is None else self.tiers.counts()

    def memory_figures(self) -> dict[str, Any]:
        """Return how many answers this process keeps, and the kinds of the newest keys with a digest of whose."""
        keys = [_veiled(key) for key in self.near.keys(_SHOWN_KEYS)]
        return {"cached_items": self.near.stats().items, "keys": keys}

    async def redis_figures(self, kind: str) -> dict[str, Any]:
        """Return the figures of Redis, and the number of keys that begin with `kind` and a colon.

        Raises `UpstreamUnavailable` where there is none, or it does not answer; `UpstreamGarbled` for nonsense.
        """
        if self.server is None or self.in_use != "redis":
            raise UpstreamUnavailable("redis.figures", f"{self.trouble}; memory cache in use")
        try:
            info = _info(await self.server.command("INFO"))
            hits, misses = int(info.get("keyspace_hits", 0)), int(info.get("keyspace_misses", 0))
            return {
                "keys": await self._count(self.server, kind),
                "used_memory_human": info.get("used_memory_human", ""),
                "connected_clients": int(info.get("connected_clients", 0)),
                "instantaneous_ops_per_sec": int(info.get("instantaneous_ops_per_sec", 0)),
                "hit_rate": round(100 * hits / (hits + misses), 2) if hits + misses else 0.0,
            }
        except StoreDown as error:
            raise UpstreamUnavailable("redis.figures", "stopped answering") from error
        except (ValueError, TypeError) as error:
            raise UpstreamGarbled("redis.figures", "answers that make no sense") from error

    async def _count(self, server: "RedisServer", kind: str) -> int:
        """Count with a cursor, never with a full listing, and give up counting at some point."""
        cursor, found = b"0", 0
        for _ in range(_SCAN_ROUNDS):
            cursor, keys = await server.command(
                "SCAN", cursor, "MATCH", f"{self.prefix}:{kind}:*", "COUNT", _SCAN_COUNT
            )
            found += len(keys)
            if cursor == b"0":
                break
        return found


def _veiled(key: bytes) -> str:
    """Show what kind of key it is, and a digest of whose."""
    kind, _, whose = key.decode(errors="replace").partition(":")
    return f"{kind}:{hashlib.blake2b(whose.encode(), digest_size=6).hexdigest()}"


def _info(text: object) -> dict[str, str]:
    if not isinstance(text, bytes):
        raise TypeError("INFO is text")
    pairs = (line.partition(":") for line in text.decode(errors="replace").splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}


def stores_of(settings: Settings, name: str, env: Env) -> Stores:
    """Return what the settings describe; nothing is connected yet. Raises `ConfigError`."""
    quota, prefix = settings.quota, settings.redis_prefix or name
    if not settings.redis_url or settings.docs_only:
        throttle = None if quota is None else Throttle(quota, env.clock)
        alone: dict[str, Limiter] = {one.name: Throttle(one, env.clock) for one in settings.quotas}
        memory = MemoryStore(env=env, max_bytes=settings.cache_bytes)
        return Stores(memory, memory, throttle=throttle, prefix=prefix, limits=alone)
    try:
        from stagedoor._cache.redis import RedisServer  # noqa: PLC0415 - an extra: loaded where it is used
        from stagedoor._cache.redis_limit_counter import RedisLimitCounter  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("redis_url is set, which needs hiredis: pip install stagedoor[redis]") from error
    server = RedisServer(settings.redis_url, prefix=prefix)
    prefix = server.prefix
    far = Shared(server, env=env, timeout=settings.redis_timeout)
    tiers = Tiered(far, env=env, max_bytes=settings.cache_bytes)
    member = f"{os.getpid()}-{secrets.token_hex(8)}"

    def shared(quota: Quota, name: str = "") -> Limiter:
        tally = RedisLimitCounter(server, prefix=prefix, member=member, name=name)
        return SharedThrottle(quota, tally, env.clock, timeout=settings.redis_timeout)

    limits = {one.name: shared(one, f"{one.name}:") for one in settings.quotas}
    return Stores(tiers, tiers.near, tiers, server, None if quota is None else shared(quota), prefix, limits)


def limits_of_routes(
    limits: Mapping[str, Limiter], routes: Sequence[Route], prefix: str = ""
) -> Mapping[str, Limiter]:
    """Return the limits of single routes; raises `ConfigError` for one of a route that there is not.

    `prefix` is that of the settings, if they were read from the environment.
    """
    known = {one.path: one for one in routes}
    for path in limits:
        if path not in known:
            said = f"{prefix}RATE_LIMITS" if prefix else "rate_limits"
            raise ConfigError(f"{said}: {path!r} is no route here{nearest(path, known)}")
        if known[path].live:
            raise ConfigError(f"rate_limits: {path!r} is answered however often it is asked")
    return limits
