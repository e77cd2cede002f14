"""Redis, or Valkey, as the server of a shared store: one connection, four scripts.

All operations of a process share one connection and are answered in the order they were sent, so a caller that gives
up leaves nothing behind: its answer is read and dropped, never handed to somebody else (K6). There is no pool that
could run dry.
Only `invalidations` connects, in the background; everything else fails at once where there is no connection.
Each operation is a script and therefore atomic: an entry and the rest of its life are read together, and an entry is
written only if no purge came since its writer last heard. Log of purges: one sorted set, name by number.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from stagedoor._cache.entry import BORN
from stagedoor._cache.redis_scripts import NEWS, PURGE, READ, WITHOUT, WRITE, invalidations_of
from stagedoor._cache.server import Invalidations, StoreDown
from stagedoor.errors import ConfigError

__all__ = ["RedisServer"]

_PORT: Final = 6379
_MOST_HELD: Final = 2**26
# Its parser makes room for as many elements as are announced, and takes seconds to give that back.
_HUGE: Final = re.compile(rb"[*%~>|][0-9]{7,}\r\n")
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

    async def read(self, key: bytes, heard: int, /) -> tuple[Invalidations, bytes | None, float]:
        reply = await self._run(READ, [self._log, self._name(key)], heard)
        invalidations = invalidations_of(reply, heard)
        match reply[WITHOUT:]:
            case [bytes(data), int(left)]:
                return invalidations, data, left / 1000
        return invalidations, None, 0.0

    async def write(self, key: bytes, data: bytes, until: int, heard: int, /) -> tuple[Invalidations, bool]:
        reply = await self._run(WRITE, [self._log, self._name(key)], heard, data, until, data[BORN], 0)
        return invalidations_of(reply, heard), len(reply) > WITHOUT

    async def settle(
        self, key: bytes, data: bytes, until: int, heard: int, young: int, /
    ) -> tuple[Invalidations, bool, bytes | None, float]:
        reply = await self._run(WRITE, [self._log, self._name(key)], heard, data, until, data[BORN], young)
        invalidations = invalidations_of(reply, heard)
        match reply[WITHOUT:]:
            case [bytes(there), int(left)]:
                return invalidations, True, there, left / 1000
        return invalidations, len(reply) > WITHOUT, None, 0.0

    async def purge(self, names: Iterable[bytes], heard: int, /) -> Invalidations:
        return invalidations_of(await self._run(PURGE, [self._log], heard, *names), heard)

    async def invalidations(self, heard: int, /) -> Invalidations:
        try:
            if self._line is None or self._line.closed:
                await self._connect()
            return invalidations_of(await self._run(NEWS, [self._log], heard), heard)
        except BaseException:
            # Whatever it was, the next question shall not suffer from the state of this connection.
            self._drop()
            raise

    async def command(self, *words: _Argument) -> Any:  # noqa: ANN401 - what a reply is depends on the command
        """Send any command on the same connection and return its reply; raises `StoreDown`."""
        if self._line is None:
            raise StoreDown("not connected")
        return await self._line.send(words)

    async def told(self, *questions: tuple[_Argument, ...]) -> list[Any]:
        """Ask on a connection of its own, also a server that is too old for our scripts; raises `StoreDown`."""
        line = await self._address.connect()
        try:
            for words in self._address.greeting():
                await line.send(words)
            return [await line.send(words) for words in questions]
        finally:
            line.close()

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection, as far as is known."""
        return self._line is not None and not self._line.closed

    async def connect(self) -> None:
        """Open a connection, for whoever has no watch over it; raises `StoreDown`."""
        await self._connect()

    def drop(self) -> None:
        """Close the connection at once: whoever waits is told."""
        self._drop()

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
            for script in (READ, WRITE, PURGE, NEWS):
                self._scripts[script] = _digest(await line.send(("SCRIPT", "LOAD", script)))
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


def _digest(reply: object) -> bytes:
    """Return the name under which the server knows a script."""
    if not isinstance(reply, bytes):
        raise StoreDown("not the name of a script")
    return reply


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
        except (OSError, UnicodeError) as error:  # the second: a name that no resolver is asked for
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
        self._held = 0  # bytes of a reply that is not whole yet, at least
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
        packed = hiredis.pack_command(words)  # type: ignore[arg-type] # its stub means any tuple
        future = self._loop.create_future()
        self._waiting.append(future)  # after all that can fail: replies are told apart by their order alone
        self._transport.write(packed)
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
            self._take(data)
        except Exception:  # noqa: BLE001 - octets from outside can break a parser in any way
            self.close()

    def _take(self, data: bytes) -> None:
        self._held += len(data)
        if self._held > _MOST_HELD or _HUGE.match(data):
            raise ValueError("more than any reply to us can be")
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._held = 0
            if isinstance(reply, hiredis.PushNotification):  # no reply, whatever it tells
                continue
            future = self._waiting.popleft()  # raises IndexError on a reply that nobody asked for
            if not future.done():
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for future in self._waiting:
            if not future.done():
                future.set_exception(StoreDown("connection lost"))
        self._waiting.clear()
