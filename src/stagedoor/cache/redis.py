"""Redis, or Valkey, as the server of a shared store: one connection, four scripts.

All operations of a process share one connection and are answered in the order they were sent, so a caller that gives
up leaves nothing behind: its answer is read and dropped, never handed to somebody else (K6). There is no pool that
could run dry.
Only `news` connects, in the background; everything else fails at once where there is no connection.
Each operation is a script and therefore atomic: an entry and the rest of its life are read together, and an entry is
written only if no purge came since its writer last heard. Log of purges: one sorted set, name by number.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from stagedoor.cache.entry import BORN
from stagedoor.cache.server import News, StoreDown
from stagedoor.errors import ConfigError

__all__ = ["RedisServer"]

_COMMON = """
local log, heard = KEYS[1], tonumber(ARGV[1])
local function top() return redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES') end
local function number() return tonumber(top()[2] or 0) end
local function answer()
    local newest, names, time = number(), {}, redis.call('TIME')
    if newest > heard then names = redis.call('ZRANGEBYSCORE', log, '(' .. ARGV[1], '+inf', 'WITHSCORES') end
    return {string.format('%.0f', newest), time[1], time[2], names}
end
local function purge(name, mark) redis.call('ZADD', log, 'GT', string.format('%.0f', mark), name) end
local function mark()
    local time = redis.call('TIME')
    return math.max(number() + 1, heard + 1, time[1] * 1000000 + time[2])
end
"""
_READ = """
local out, data = answer(), redis.pcall('GET', KEYS[2])
if type(data) == 'string' then
    out[5] = data
    out[6] = redis.call('PTTL', KEYS[2])
end
return out
"""
_WRITE = """
local out = answer()
if number() ~= heard then return out end
local head = redis.pcall('GETRANGE', KEYS[2], 0, 19)
local born = type(head) == 'string' and string.sub(head, 1, 4) == 'SD1 ' and tonumber(string.sub(head, 5))
local now = out[2] * 1000 + out[3] / 1000
if not born or born <= tonumber(ARGV[4]) or born > now then
    redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[3])
end
out[5] = 1
return out
"""
_PURGE = """
local at = mark()
for i = 2, #ARGV do purge(ARGV[i], at) end
local over = redis.call('ZCARD', log) - 10000
if over > 0 then
    local gone = redis.call('ZPOPMIN', log, over)
    purge('', tonumber(gone[#gone]))
end
return answer()
"""
_NEWS = """
local last = top()
if last[2] and tonumber(last[2]) >= heard then
    redis.call('ZADD', log, last[2], last[1])
else
    purge('', mark())
end
return answer()
"""
_PORT: Final = 6379
_Argument = bytes | str | int


class RedisServer:
    """A `Server` at an address such as `redis://:password@host:6379/0`, `rediss://...` or `unix:///path?db=0`.

    The entry of a cache key lies under `prefix:key`, the log of purges under `prefix#purges`.
    """

    name = "redis"

    def __init__(self, url: str, /, *, prefix: str = "stagedoor") -> None:
        self._address = _Address(url)
        self._prefix = prefix.encode()
        self._log = self._prefix + b"#purges"
        self._line: _Line | None = None
        self._scripts: dict[str, bytes] = {}

    async def read(self, key: bytes, heard: int, /) -> tuple[News, bytes | None, float]:
        reply = await self._run(_READ, [self._log, self._name(key)], heard)
        if len(reply) == _Reply.WITHOUT:
            return _news(reply), None, 0.0
        return _news(reply), reply[4], reply[5] / 1000

    async def write(self, key: bytes, data: bytes, until: int, heard: int, /) -> tuple[News, bool]:
        reply = await self._run(_WRITE, [self._log, self._name(key)], heard, data, until, data[BORN])
        return _news(reply), len(reply) > _Reply.WITHOUT

    async def purge(self, names: Iterable[bytes], heard: int, /) -> News:
        return _news(await self._run(_PURGE, [self._log], heard, *names))

    async def news(self, heard: int, /) -> News:
        try:
            if self._line is None or self._line.closed:
                await self._connect()
            return _news(await self._run(_NEWS, [self._log], heard))
        except BaseException:
            # Whatever it was, the next question shall not suffer from the state of this connection.
            self._drop()
            raise

    async def command(self, *words: _Argument) -> Any:  # noqa: ANN401 - what a reply is depends on the command
        """Send any command on the same connection and return its reply; raises `StoreDown`."""
        if self._line is None:
            raise StoreDown("not connected")
        return await self._line.send(words)

    async def aclose(self) -> None:
        self._drop()

    def _name(self, key: bytes) -> bytes:
        return self._prefix + b":" + key

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    async def _connect(self) -> None:
        self._drop()
        line = await self._address.connect()
        try:
            for words in self._address.greeting():
                await line.send(words)
            for script in (_READ, _WRITE, _PURGE, _NEWS):
                self._scripts[script] = await line.send(("SCRIPT", "LOAD", _COMMON + script))
        except BaseException:
            line.close()
            raise
        self._line = line  # not before it knows the scripts: others may use it from here on

    async def _run(self, script: str, keys: list[bytes], *arguments: _Argument) -> list[Any]:
        reply = await self.command("EVALSHA", self._scripts.get(script, b""), len(keys), *keys, *arguments)
        if not isinstance(reply, list):
            raise StoreDown("not a reply of our scripts")
        return reply

    def __repr__(self) -> str:
        return f"<RedisServer {self._prefix.decode()} {'off' if self._line is None else 'on'}>"


class _Reply:
    WITHOUT: Final = 4  # fields of an answer that brings no entry, or stored none


def _news(reply: list[Any]) -> News:
    number, seconds, micros, flat = reply[:4]
    purges = [(name, int(mark)) for name, mark in zip(flat[::2], flat[1::2], strict=True)]
    return News(int(number), int(seconds) * 1_000_000 + int(micros), purges)


class _Address:
    """Where a server is and what it wants to hear first; never shown, for it may hold a password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ConfigError("the address of Redis must begin with redis://, rediss:// or unix://")
        self._host = parts.hostname or "localhost"
        self._port = parts.port or _PORT
        self._path = unquote(parts.path) if parts.scheme == "unix" else None
        self._tls = ssl.create_default_context() if parts.scheme == "rediss" else None
        database = parse_qs(parts.query).get("db", [""])[0] or ("" if self._path else parts.path.strip("/"))
        if not (database or "0").isdecimal():
            raise ConfigError("the address of Redis must end in the number of its database, as in /0")
        self._database = int(database or "0")
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")

    async def connect(self) -> "_Line":
        """Open a connection; raises `StoreDown`."""
        loop = asyncio.get_running_loop()
        try:
            if self._path is not None:
                return (await loop.create_unix_connection(_Line, self._path))[1]
            return (await loop.create_connection(_Line, self._host, self._port, ssl=self._tls))[1]
        except OSError as error:
            raise StoreDown(type(error).__name__) from error

    def greeting(self) -> list[tuple[_Argument, ...]]:
        """Return the commands to send first."""
        words: list[tuple[_Argument, ...]] = []
        if self._password:
            words.append(("AUTH", *([self._user] if self._user else []), self._password))
        if self._database:
            words.append(("SELECT", self._database))
        return words


class _Line(asyncio.Protocol):
    """One connection: commands go out as they come, replies come back in the same order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def closed(self) -> bool:
        """Tell whether it is of no more use."""
        return self._transport is None

    async def send(self, words: tuple[_Argument, ...]) -> Any:  # noqa: ANN401 - depends on the command
        """Send a command and return its reply. Giving up is safe: the reply is dropped when it comes."""
        if self._transport is None:
            raise StoreDown("connection lost")
        future = self._loop.create_future()
        self._waiting.append(future)
        self._transport.write(hiredis.pack_command(words))  # type: ignore[arg-type] # its stub means any tuple
        reply = await future
        if isinstance(reply, hiredis.ReplyError):
            raise StoreDown(
                str(reply).partition(" ")[0]
            )  # OOM, READONLY, LOADING ...: the rest may name hosts
        return reply

    def close(self) -> None:
        """Close at once; whoever waits is told."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError):  # not RESP, or a reply nobody asked for
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for future in self._waiting:
            if not future.done():
                future.set_exception(StoreDown("connection lost"))
        self._waiting.clear()
