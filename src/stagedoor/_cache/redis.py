"""Redis, or Valkey, as the server of a shared store: one connection, four scripts.

All operations of a process share one connection and are answered in the order they were sent, so a caller that gives
up leaves nothing behind: its answer is read and dropped, never handed to somebody else (K6). There is no pool that
could run dry.
Only `invalidations` connects, in the background; everything else fails at once where there is no connection.
Each operation is a script and therefore atomic: an entry and the rest of its life are read together, and an entry is
written only if no purge came since its writer last heard. Log of purges: one sorted set, name by number.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from stagedoor._cache.entry import BORN
from stagedoor._cache.redis_address import RedisAddress, tagged
from stagedoor._cache.redis_connection import Argument, RedisConnection
from stagedoor._cache.redis_route import connect
from stagedoor._cache.redis_scripts import NEWS, PURGE, READ, WITHOUT, WRITE, invalidations_of
from stagedoor._cache.server import Invalidations, StoreDown, StoreGarbled

__all__ = ["RedisServer"]


class RedisServer:
    """A `Server` at an address such as `redis://:password@host:6379/0`; `redis_address` has its other forms.

    The entry of a cache key lies under `prefix:key`, the log of purges under `prefix#purges`. In a cluster all of them
    lie in one slot, and so on one node: `prefix` is then what it was given, in braces.
    """

    name = "redis"

    def __init__(self, url: str, /, *, prefix: str = "stagedoor") -> None:
        self._address = RedisAddress.of(url)
        self.prefix = tagged(prefix, self._address.kind)
        self._prefix = self.prefix.encode()
        self._log = self._prefix + b"#purges"
        self._line: RedisConnection | None = None
        self._connecting = asyncio.Lock()
        self._turn = 0  # which of several hosts is asked first
        self._scripts: dict[str, bytes] = {}
        self._from = b""  # which run of which server told us last; none where it does not say

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
            if not self.connected:
                await self._connect()
            reply = await self._run(NEWS, [self._log], heard, self._from)
            invalidations = invalidations_of(reply, heard)
            self._from = next((one for one in reply[WITHOUT:] if isinstance(one, bytes)), b"")
            return invalidations  # noqa: TRY300 - what it says of itself may be spoilt too
        except BaseException:
            # Whatever it was, the next question shall not suffer from the state of this connection.
            self._drop()
            raise

    async def command(self, *words: Argument) -> Any:  # noqa: ANN401 - what a reply is depends on the command
        """Send any command on the same connection and return its reply; raises `StoreDown`."""
        if self._line is None:
            raise StoreDown("not connected")
        return await self._line.send(words)

    async def told(self, *questions: tuple[Argument, ...]) -> list[Any]:
        """Ask on a connection of its own, also a server that is too old for our scripts; raises `StoreDown`."""
        line = await connect(self._address, 0, self._log)
        try:
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
        """Open a connection, unless somebody else has just done so."""
        async with self._connecting:
            if not self.connected:
                await self._connect_anew()

    async def _connect_anew(self) -> None:
        self._drop()
        # Whatever becomes of it: a host that is silent must not be the first to be asked again.
        self._turn += 1
        line = await connect(self._address, self._turn - 1, self._log)
        try:
            for script in (READ, WRITE, PURGE, NEWS):
                self._scripts[script] = _digest(await line.send(("SCRIPT", "LOAD", script)))
        except BaseException:
            line.close()
            raise
        self._line = line  # not before it knows the scripts: others may use it from here on

    async def _run(self, script: str, keys: list[bytes], *arguments: Argument) -> list[Any]:
        reply = await self.command("EVALSHA", self._scripts.get(script, b""), len(keys), *keys, *arguments)
        if not isinstance(reply, list):
            raise StoreGarbled("not a reply of our scripts")
        return reply

    def __repr__(self) -> str:
        return f"<RedisServer {self._prefix.decode()} {'off' if self._line is None else 'on'}>"


def _digest(reply: object) -> bytes:
    """Return the name under which the server knows a script."""
    if not isinstance(reply, bytes):
        raise StoreGarbled("not the name of a script")
    return reply
