"""A TCP proxy on loopback with bad weather: what stands between a client and a server in tests.

    async with ChaosProxy(server.port) as proxy:
        proxy.answers = Weather(latency=0.1, jitter=0.02)   # server -> client
        proxy.requests = Weather(black_hole=True)           # client -> server
        await proxy.down()                                  # refuse everybody, drop those who are here
        await proxy.up()                                    # on the same port again

Weather is a value, read again before each piece of data, so a change shows at once on open connections too.
Each direction of a connection is one task that reads a piece, delays it, cuts it up and writes it; its position
in the stream is kept, so "after n bytes" is exact. Chance comes from a seed that the repr shows.
"""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["CALM", "ChaosProxy", "Weather"]

LOOPBACK = "127.0.0.1"
PIECE = 65_536
# Close with a reset instead of a farewell: linger on, for no time.
ABRUPT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Say what happens to one direction of every connection. Times are seconds, sizes bytes.

    latency, jitter: each piece waits for latency, give or take up to jitter.
    bandwidth: bytes a second.
    slicer, slicer_pause: pieces of at most so many bytes, with a pause between them.
    cut_after: after so many bytes the connection ends, by a reset if `reset` says so.
    black_hole: everything is taken and nothing passed on.
    slow_close: the end of the stream is passed on so much later.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    slicer: int | None = None
    slicer_pause: float = 0.0
    cut_after: int | None = None
    reset: bool = False
    black_hole: bool = False
    slow_close: float = 0.0

    def wait(self, roll: float) -> float:
        """Return how long a piece waits; roll is in [0, 1)."""
        return max(0.0, self.latency + self.jitter * (2.0 * roll - 1.0))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Cut data the way the slicer wants it; a tenth of a second at a time where bandwidth is scarce."""
        limits = [self.slicer, int(self.bandwidth / 10) if self.bandwidth else None]
        size = max(1, min((limit for limit in limits if limit is not None), default=PIECE))
        for start in range(0, len(data), size):
            yield data[start : start + size]


CALM = Weather()


class ChaosProxy:
    """Stand on a port of its own in front of another port; with `tls` it is what speaks TLS."""

    def __init__(self, target: int, *, seed: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.tls = tls
        self.requests = CALM
        self.answers = CALM
        self.accepted = 0
        self.port = 0
        self._seed = seed
        self._rng = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        state = f"{len(self._tasks)} connections" if self._server else "down"
        return f"<ChaosProxy {self.port} -> {self.target} {state} seed {self._seed}>"

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.down()

    async def up(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self.tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse new connections and reset those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.reset()

    async def reset(self) -> None:
        """Reset every open connection, both ends."""
        writers, tasks = tuple(self._writers), tuple(self._tasks)
        for writer in writers:
            abort(writer)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._join(reader, writer)
        except asyncio.CancelledError:
            pass  # only `reset` cancels, and asyncio would report it as an error of ours
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _join(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            abort(to_client)
            return
        self._writers.add(to_server)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(lambda: self.requests, client, to_server))
                both.create_task(self._carry(lambda: self.answers, server, to_client))
        except* EndOfLine:
            pass
        except* OSError:
            abort(to_client)
            abort(to_server)
        finally:
            to_server.close()
            self._writers.discard(to_server)

    async def _carry(
        self, now: Callable[[], Weather], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        passed = 0
        while data := await reader.read(PIECE):
            await pause(now().wait(self._rng.random()))
            for piece in now().pieces(data):
                passed += await deliver(now(), piece, passed, writer)
        await pause(now().slow_close)
        if writer.can_write_eof():
            writer.write_eof()
        else:  # TLS has no half that could end
            raise EndOfLine


class EndOfLine(Exception):
    """The weather ended this connection."""


async def deliver(weather: Weather, piece: bytes, passed: int, writer: asyncio.StreamWriter) -> int:
    """Pass a piece on as far as the weather lets it; return how many bytes went out."""
    if weather.black_hole:
        return 0
    left = len(piece) if weather.cut_after is None else max(0, weather.cut_after - passed)
    writer.write(piece[:left])
    await writer.drain()
    if weather.cut_after is not None and left <= len(piece):
        if weather.reset:
            abort(writer)
        raise EndOfLine
    await pause(weather.slicer_pause)
    if weather.bandwidth:
        await pause(len(piece) / weather.bandwidth)
    return len(piece)


async def pause(seconds: float) -> None:
    """Sleep, unless there is nothing to sleep for."""
    if seconds > 0:
        await asyncio.sleep(seconds)


def abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection by a reset."""
    line = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):  # it is closed already; TLS has no socket then
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
    writer.transport.abort()
