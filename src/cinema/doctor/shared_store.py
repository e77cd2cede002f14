"""Ask whether Redis answers, to us, in a version that will do."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from cinema.doctor.asking import SECONDS
from cinema.doctor.clocks import Clocks
from cinema.doctor.finding import Finding
from cinema.settings import Settings
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import StoreDown, StoreGarbled

__all__ = ["of_redis"]

_NAME: Final = "redis"
_LEAST: Final = (6, 2)  # SET with PXAT, ZADD with GT
_REFUSED: Final = frozenset({"WRONGPASS", "NOAUTH", "NOPERM"})
# A user may lack INFO, which `-@dangerous` takes away, or find it renamed: the gateway does without it.
_OF_COMMANDS: Final = ("NOPERM", "ERR")
_START: Final = "Start it, or correct REDIS_URL. Until then each process answers from its own memory."
_FULL: Final = frozenset({"OOM", "MISCONF", "READONLY"})


async def of_redis(settings: Settings, clocks: Clocks) -> Sequence[Finding]:
    """Return what is wrong with Redis; nothing where none is set."""
    if settings.redis_url is None:
        return []
    server = RedisServer(settings.redis_url, prefix=settings.redis_prefix)
    try:
        async with asyncio.timeout(SECONDS):
            told, (seconds, micros) = await server.told(("INFO", "server"), ("TIME",))
    except TimeoutError:
        said = f"it has not answered for {SECONDS:g} s (REDIS_URL)"
        return [
            Finding(
                _NAME, "hung", said, "Look at its machine; a script or a fork may hold it, or the network."
            )
        ]
    except (StoreGarbled, ValueError, TypeError):
        remedy = "End that program, or correct REDIS_URL."
        return [Finding(_NAME, "port_taken", "what answers there is no Redis", remedy)]
    except StoreDown as error:
        if str(error).startswith(_OF_COMMANDS):
            return await _of_scripts(settings)
        return [_unreached(str(error))]
    clocks.note(_NAME, int(seconds) + int(micros) / 1e6)
    return _of_version(told if isinstance(told, bytes) else b"") or await _of_scripts(settings)


async def _of_scripts(settings: Settings) -> Sequence[Finding]:
    """Try what the gateway does: a server may answer and yet refuse to be written."""
    server = RedisServer(settings.redis_url or "", prefix=settings.redis_prefix)
    try:
        async with asyncio.timeout(SECONDS):
            await server.invalidations(0)
    except (StoreDown, TimeoutError) as error:
        return [_unreached(str(error) or "no answer")]
    finally:
        await server.aclose()
    return []


def _of_version(told: bytes) -> Sequence[Finding]:
    found = re.search(rb"redis_version:(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) >= _LEAST:
        return []
    said = f"Redis {found[1].decode()}.{found[2].decode()} is too old"
    return [Finding(_NAME, "version", said, "Move to Redis 6.2 or newer, or to Valkey.")]


def _unreached(said: str) -> Finding:
    if said in _REFUSED:
        return Finding(
            _NAME, "credentials", f"it refuses this user or password ({said})", "Correct REDIS_URL."
        )
    if said in _FULL:
        remedy = "Give it memory and a maxmemory-policy of allkeys-lru; a replica cannot be written at all."
        return Finding(_NAME, "ill", f"it refuses to be written ({said})", remedy)
    if said.startswith(("ERR", "SELECT")):
        return Finding(
            _NAME, "credentials", f"it does not take what REDIS_URL asks for ({said})", "Correct REDIS_URL."
        )
    return Finding(_NAME, "down", f"it does not answer ({said})", _START)
