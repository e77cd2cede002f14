"""A process whose store is on a real server, and servers of one's own to put in its place."""

import asyncio
import contextlib
import gc
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine

from stagedoor._cache.entry import Entry
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.shared import Shared
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor.testing import Events

__all__ = ["Handler", "Process", "serving", "until"]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


class Process:
    """One process with two tiers on the real server; a busy machine does not pass for a server that hangs."""

    def __init__(self, url: str, timeout: float = 1.0) -> None:
        self.events = Events()
        self.server = RedisServer(url, prefix="test")
        env = Env(SystemClock(), random.random, self.events)
        self.store = Tiered(Shared(self.server, env=env, timeout=timeout), env=env)

    @property
    def far(self) -> Shared:
        return self.store.far

    async def keep(self, key: bytes = b"k", body: bytes = b"v", names: tuple[bytes, ...] = ()) -> None:
        look = await self.store.get(key, 30.0)
        self.store.set(Entry(key, body, 30.0, "raw", names), look.mark)
        await self.far.idle()

    async def far_body(self, key: bytes = b"k") -> bytes | None:
        held = (await self.far.get(key, 30.0)).held
        return None if held is None else held.entry.body

    async def body(self, key: bytes = b"k") -> bytes | None:
        held = (await self.store.get(key, 30.0)).held
        return None if held is None else held.entry.body


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait until something holds, and return how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def serving(
    handle: Handler, path: str | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve connections at the address yielded; end them and their tasks afterwards."""
    tasks: list[asyncio.Task[None]] = []

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handle(reader, writer)
        writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.ensure_future(guarded(reader, writer)))

    if path is None:
        listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        address = f"{'rediss' if tls else 'redis'}://localhost:{listener.sockets[0].getsockname()[1]}"
    else:
        listener = await asyncio.start_unix_server(accept, path)
        address = f"unix://{path}"
    async with listener:
        yield address
    if tasks:
        await asyncio.wait(tasks, timeout=30.0)
    gc.collect()  # Python 3.11 takes a TLS stream that was aborted for an open one, unless it goes before its loop
