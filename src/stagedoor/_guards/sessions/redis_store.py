"""Sessions in Redis, or Valkey, for all processes that use it.

A session is a hash: its sealed bytes, when they were written and when its lifetime ends, by the server's clock, and a
version. Its expiry in Redis is the idle time, never beyond its lifetime. Each question is one command or one script.

What Redis does not answer is nobody's to guess: no session is then found missing, so that nobody is logged out for an
outage. Nor does a replica say so, which may lack the newest: where none is found it is asked to write as well. After a
failure nothing is asked for a quarter of a second, then one request asks for all (K2). Redis must not evict
(`maxmemory-policy noeviction`) and should persist: a session that it loses is over.
"""

import asyncio
import logging
from collections.abc import Awaitable
from contextvars import Context
from functools import cache
from hashlib import sha1
from typing import Any, Final, TypeAlias, TypeVar

from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import StoreDown
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._guards.sessions.store import Replaced, StoreAway, StoredSession

__all__ = ["RedisSessions"]

T = TypeVar("T")
_LOGGER = logging.getLogger("stagedoor.guards")
_NOW: Final = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) "
_READ: Final = (
    _NOW
    + """
local found = redis.call('HMGET', KEYS[1], 'data', 'written', 'until', 'version')
if not found[1] then
    if ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[1], 1) end
    return {}
end
local left = tonumber(found[3]) - now
if left <= 0 then redis.call('DEL', KEYS[1]) return {} end
if ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[1], math.min(left, tonumber(ARGV[1]))) end
return {found[1], now - tonumber(found[2]), tonumber(found[4])}
"""
)
_CREATE: Final = (
    _NOW
    + """
local ends = string.format('%.0f', now + tonumber(ARGV[3]))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'data', ARGV[1], 'written', string.format('%.0f', now), 'until', ends, 'version', 1)
redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[2]), tonumber(ARGV[3])))
return 1
"""
)
_REPLACE: Final = (
    _NOW
    + """
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return 0 end
if version ~= ARGV[2] then return 2 end
redis.call('HSET', KEYS[1], 'data', ARGV[1], 'written', string.format('%.0f', now), 'version', version + 1)
return 1
"""
)
_LOCK: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_UNLOCK: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
# It is well and only has no room: who is logged in stays so, and nobody waits for it.
_FULL: Final = "OOM"
_ANSWERED: Final = frozenset({"NOSCRIPT", _FULL})
_REPLACED: Final[dict[int, Replaced]] = {0: "gone", 1: "done", 2: "changed"}
_CONNECT: Final = 0.5  # seconds
_ANSWER: Final = 0.5
_SLOW: Final = 0.1  # seconds after which a request that gives up speaks against the server
_PAUSE: Final = 0.25
Word: TypeAlias = bytes | str | int


class RedisSessions:
    """A `SessionStore` on a server of its own connection; names begin with `prefix#`, times are seconds."""

    def __init__(
        self, server: RedisServer, clock: Clock, *, prefix: str, idle: float, lifetime: float
    ) -> None:
        self._server = server
        self._clock = clock
        self._prefix = prefix.encode()
        self._idle = int(idle * 1_000)
        self._lifetime = int(lifetime * 1_000)
        self._pause_ends = float("-inf")
        self._failing = False
        self._opening: asyncio.Task[None] | None = None

    async def read(self, mark: bytes, /, *, use: bool) -> StoredSession | None:
        match await self._run(_READ, self._name(b"session", mark), self._idle if use else 0):
            case []:
                return None
            case [bytes(data), int(age), int(version)]:
                return StoredSession(data, age / 1_000, version)
        raise StoreAway("not a reply of our scripts")

    async def create(self, mark: bytes, data: bytes, /) -> None:
        await self._run(_CREATE, self._name(b"session", mark), data, self._idle, self._lifetime)

    async def replace(self, mark: bytes, data: bytes, version: int, /) -> Replaced:
        reply = await self._run(_REPLACE, self._name(b"session", mark), data, version)
        found = _REPLACED.get(reply) if isinstance(reply, int) else None
        if found is None:
            raise StoreAway("not a reply of our scripts")
        return found

    async def delete(self, mark: bytes, /) -> None:
        await self._ask("DEL", self._name(b"session", mark))

    async def spend(self, mark: bytes, seconds: float, /) -> bool:
        name = self._name(b"spent", mark)
        return await self._ask("SET", name, b"1", "NX", "PX", int(seconds * 1_000)) in {b"OK", "OK"}

    async def lock(self, mark: bytes, owner: bytes, seconds: float, /) -> bool:
        reply = await self._run(_LOCK, self._name(b"lock", mark), owner, int(seconds * 1_000))
        return bool(reply == 1)

    async def unlock(self, mark: bytes, owner: bytes, /) -> None:
        await self._run(_UNLOCK, self._name(b"lock", mark), owner)

    async def aclose(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._server.aclose()

    def _name(self, kind: bytes, mark: bytes) -> bytes:
        return b"%b#%b:%b" % (self._prefix, kind, mark.hex().encode())

    async def _run(self, script: str, key: bytes, *arguments: Word) -> Any:  # noqa: ANN401 - depends on the script
        try:
            return await self._ask("EVALSHA", _digest(script), 1, key, *arguments)
        except StoreAway as error:
            if str(error) != "NOSCRIPT":
                raise
        return await self._ask("EVAL", script, 1, key, *arguments)

    async def _ask(self, *words: Word) -> Any:  # noqa: ANN401 - depends on the command
        if self._clock.now() < self._pause_ends:
            raise StoreAway("it did not answer a moment ago")
        if not self._server.connected:
            await self._opened()
        reply = await self._within(self._server.command(*words), _ANSWER)
        self._tell("")
        return reply

    async def _opened(self) -> None:
        """Connect, all that wait at once; who leaves takes nothing from the others."""
        if self._opening is None:
            # In a context of its own: the connection outlives the request, and would keep all that it brought.
            connecting = self._within(self._server.connect(), _CONNECT)
            self._opening = asyncio.create_task(connecting, context=Context())
            self._opening.add_done_callback(self._settled)
        await asyncio.shield(self._opening)

    def _settled(self, opening: "asyncio.Task[None]") -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # whoever waited has heard of it; nobody may be left

    async def _within(self, asked: Awaitable[T], seconds: float) -> T:
        began = self._clock.now()
        try:
            with TimeoutScope(self._clock, DueTime(began + seconds)):
                return await asked
        except asyncio.CancelledError:
            if self._clock.now() >= began + _SLOW:  # a deadline may be sooner than our own patience ends
                self._fail("timeout")
            raise
        except (StoreDown, TimeoutError) as error:
            if str(error) not in _ANSWERED:
                self._fail(str(error) or "timeout")
            elif str(error) == _FULL:
                _LOGGER.warning("Redis is full: nobody can log in, and no session is renewed")
            raise StoreAway(str(error)) from error

    def _fail(self, failure: str) -> None:
        """Ask nothing for a moment. What comes late on this connection is for nobody; those who wait on it are told."""
        self._pause_ends = self._clock.now() + _PAUSE
        self._server.drop()
        self._tell(failure)

    def _tell(self, failure: str) -> None:
        """Say once that sessions cannot be looked up, and once that they can again."""
        if bool(failure) == self._failing:
            return
        self._failing = bool(failure)
        if failure:
            _LOGGER.warning("sessions cannot be looked up (%s): their routes answer 503", failure)
        else:
            _LOGGER.info("sessions can be looked up again")

    def __repr__(self) -> str:
        return f"<RedisSessions {self._server!r}>"


@cache
def _digest(script: str) -> str:
    """Return how EVALSHA names a script."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest()
