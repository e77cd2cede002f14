"""Put together what sessions are made of: the only entrance to what needs the extras `auth` and `redis`."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stagedoor._call import Transport
from stagedoor._clock import Clock
from stagedoor._guards.jwks import PublishedKeys
from stagedoor._guards.sessions.browsers import Browsers, Provider
from stagedoor._guards.sessions.discovery import Discovery
from stagedoor._guards.sessions.http import ProviderHttp
from stagedoor._guards.sessions.id_token import IdTokens
from stagedoor._guards.sessions.sealing import Seal
from stagedoor._guards.sessions.settings import SessionSettings, key_of
from stagedoor._guards.sessions.store import MemorySessions, SessionStore
from stagedoor._guards.sessions.tokens import TokenEndpoint
from stagedoor.errors import ConfigError, UpstreamGarbled

__all__ = ["Surroundings", "browsers"]

_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What of the gateway its sessions use: `redis_url` is "" where it has none; `setting` names what is missing."""

    gateway: str
    clock: Clock
    redis_url: str
    redis_prefix: str
    transport: Transport[Any, Any] | None
    key_setting: str
    store_setting: str


class _PublishedAt:
    """Fetches the document of keys from where the provider says that it lies."""

    def __init__(self, name: str, discovery: Discovery, http: ProviderHttp) -> None:
        self._operation = f"{name}.keys"
        self._discovery = discovery
        self._http = http

    async def __call__(self) -> bytes:
        metadata = await self._discovery.metadata()
        answer = await self._http.ask(metadata.keys, seconds=_SECONDS)
        if answer.status != 200:
            raise UpstreamGarbled(self._operation, "the keys were not sent")
        return answer.body

    async def aclose(self) -> None:
        """Hold nothing."""


def browsers(name: str, said: SessionSettings, scopes: Sequence[str], around: Surroundings) -> Browsers:
    """Return what knows browsers by their sessions; raises `ConfigError`."""
    http = ProviderHttp(name, around.clock, around.gateway, around.transport)
    discovery = Discovery(name, said.issuer, http, around.clock)
    algorithms = frozenset(said.algorithms)
    keys = PublishedKeys(name, _PublishedAt(name, discovery, http), algorithms, around.clock)
    provider = Provider(
        discovery=discovery,
        keys=keys,
        tokens=TokenEndpoint(name, said, discovery, http),
        id_tokens=IdTokens(said, keys, around.clock.wall),
        http=http,
    )
    store, shared = _store(name, said, around)
    return Browsers(
        name,
        said,
        provider=provider,
        store=store,
        seal=Seal(_keys(said, around, shared=shared)),
        clock=around.clock,
        scopes=tuple(dict.fromkeys((*said.scopes, *scopes))),
        shared=shared,
    )


def _keys(said: SessionSettings, around: Surroundings, *, shared: bool) -> list[bytes]:
    if said.keys:
        return [key_of(one) for one in said.keys]
    if shared:
        raise ConfigError(
            f"{around.key_setting}: sessions in Redis need a key that all processes have: 32 random bytes as base64url"
        )
    return [secrets.token_bytes(32)]


def _store(name: str, said: SessionSettings, around: Surroundings) -> tuple[SessionStore, bool]:
    """Return the store, and whether other processes use it too; raises `ConfigError`."""
    url = said.store if "://" in said.store else around.redis_url
    if said.store == "redis" and not url:
        raise ConfigError(f"{around.store_setting}: the gateway has no Redis: give its address")
    if said.store == "memory" or not url:
        return MemorySessions(around.clock.now, idle=said.idle, lifetime=said.lifetime), False
    try:
        from stagedoor._cache.redis import RedisServer  # noqa: PLC0415 - an extra: loaded where it is used
        from stagedoor._guards.sessions.redis_store import RedisSessions  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"{around.store_setting}: sessions in Redis need hiredis: pip install stagedoor[redis]"
        ) from error
    server = RedisServer(url, prefix=f"{around.redis_prefix}#{name}")
    return RedisSessions(
        server, around.clock, prefix=server.prefix, idle=said.idle, lifetime=said.lifetime
    ), True
