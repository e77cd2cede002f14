"""A gateway behind a door, in memory: octets in, octets out, on a clock that stands still."""

import asyncio
import io
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from uvicorn.server import ServerState

from stagedoor import Gateway
from stagedoor._call import Env
from stagedoor._door.config import DoorConfig, ServerHooks
from stagedoor._door.limits import DoorLimits
from stagedoor._door.near import NearDoorProtocol
from stagedoor._events import Event
from stagedoor._face.running import Running
from stagedoor.testing import ManualClock
from stagedoor.testing.clock import settle

HEAD = b" HTTP/1.1\r\nHost: shop\r\n"


def ignore(_: Event) -> None:
    return None


class Wire(asyncio.Transport):
    """A transport that keeps what is written; `slow` lets nothing of it be taken."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.written = bytearray()
        self.pieces: list[bytes | memoryview] = []
        self.closed = False
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self.peer, 40_000), "sockname": ("10.0.0.1", 80)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return 0


class Connection:
    """One client."""

    def __init__(self, behind: "Behind", peer: str) -> None:
        self.behind = behind
        self.wire = Wire(peer)
        self.protocol = NearDoorProtocol(behind.config, behind.state, {})
        self.protocol.connection_made(self.wire)

    async def send(self, *pieces: bytes) -> bytes:
        """Hand over octets, piece by piece; return all that comes back."""
        for piece in pieces:
            if not self.wire.closed:
                self.protocol.data_received(piece)
        await settle()
        while self.behind.compresses():
            await asyncio.sleep(0.001)
            await settle()
        back, self.wire.written = bytes(self.wire.written), bytearray()
        return back

    def at_once(self, octets: bytes) -> bytes:
        """Hand over octets; return what was answered before anything else of the loop ran."""
        self.protocol.data_received(octets)
        return bytes(self.wire.written)

    def lose(self) -> None:
        if self in self.behind.connections:
            self.behind.connections.remove(self)
            self.protocol.connection_lost(None)


class Behind:
    """A running gateway, and the door before it."""

    def __init__(self, running: Running, clock: ManualClock, log: io.BytesIO) -> None:
        self.running = running
        self.clock = clock
        self.log = log
        hooks = ServerHooks(app=running, refused=running.refused, near=lambda: running.web.near)
        limits = DoorLimits(max_connections=100, pipelined=4)
        self.config = DoorConfig(hooks, limits=limits, namespace="shop", host="127.0.0.1", port=0)
        self.config.load()
        self.state = ServerState()
        self.tick()
        self.connections: list[Connection] = []

    def compresses(self) -> bool:
        """Tell whether a thread is at work on an answer."""
        compression = self.running.web.compression
        return compression is not None and bool(compression.under_way)

    def tick(self) -> None:
        """Begin another second."""
        self.state.default_headers = [(b"date", b"%d" % self.clock.now())]

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.tick()

    def connect(self, peer: str = "192.0.2.1") -> Connection:
        made = Connection(self, peer)
        self.connections.append(made)
        return made

    async def ask(self, target: str, fields: str = "", method: str = "GET", peer: str = "192.0.2.1") -> bytes:
        """Ask over a connection of its own."""
        connection = self.connect(peer)
        try:
            return await connection.send(octets(target, fields, method))
        finally:
            connection.lose()

    async def numbers(self) -> list[str]:
        """Return the lines of the metrics, without those of time."""
        page = (await self.ask("/metrics")).partition(b"\r\n\r\n")[2].decode()
        lines = [
            line for line in page.splitlines() if line.startswith(("http_requests", "cache_hits", "cache_m"))
        ]
        return sorted(line for line in lines if "/metrics" not in line and "_created" not in line)


def octets(target: str, fields: str = "", method: str = "GET") -> bytes:
    lines = "".join(f"{line}\r\n" for line in fields.splitlines())
    return f"{method} {target}".encode() + HEAD + lines.encode() + b"\r\n"


@asynccontextmanager
async def behind(
    make: Callable[[], Gateway],
    *,
    near: bool = True,
    environment: dict[str, str] | None = None,
    transports: Mapping[str, Any] | None = None,
) -> AsyncIterator[Behind]:
    """Serve what is declared, with or without a near cache."""
    clock, log = ManualClock(), io.BytesIO()
    env = Env(clock, random.Random(1).random, ignore)
    settings = {"SHOP_NEAR_CACHE": str(near).lower(), **(environment or {})}
    running = make().made(env, environment=settings, stream=log, transports=transports)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running.opened())
        served = Behind(running, clock, log)
        try:
            yield served
        finally:
            for connection in list(served.connections):
                connection.lose()
            await settle()
