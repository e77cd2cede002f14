"""An open-loop load generator: requests leave when they are due, whether or not earlier ones were answered.

A closed loop waits for answers and so hides overload; this one does not. It shares the machine with what it
measures, so every shot records how late it left itself: where that is much, the machine was busy and the figure says
little about the code. Connections are kept open and reused, newest first, and opened when none is idle.
"""

import asyncio
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import httptools

from tests.servers import LOOPBACK

__all__ = ["Client", "Line", "Shot", "told", "volley"]

PATIENCE = 30.0


@dataclass(slots=True)
class Shot:
    """One request: times are seconds, `at` since the start of the load; status 0 says that no answer came."""

    path: str
    at: float
    late: float
    seconds: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: float = math.inf  # by the clock of the loop; it never left if it could not connect

    @property
    def parts(self) -> str:
        return self.headers.get("stagedoor-parts", "")

    @property
    def whole(self) -> bool:
        return self.status == 200 and not any(word in self.parts for word in ("fallback", "missing", "stale"))

    @property
    def server(self) -> float:
        """Return the seconds the gateway says it took, 0 if it does not say."""
        return float(self.headers.get("server-timing", "total;dur=0").rpartition("=")[2]) / 1000


class Line(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.open = False
        self._parser: httptools.HttpResponseParser
        self._answer: asyncio.Future[bool] | None = None
        self._shot: Shot

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._end(complete=False)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._shot.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._shot.body += body

    def on_message_complete(self) -> None:
        self._shot.status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.open = False
            self.transport.close()
        self._end(complete=True)

    def _end(self, *, complete: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(complete)

    async def send(self, shot: Shot, request: bytes, patience: float = PATIENCE) -> None:
        """Send a request and wait for its answer, or for the end of the connection."""
        self._shot = shot
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await asyncio.wait_for(self._answer, patience)


class Client:
    """Connections to one port."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self.port = port
        self.patience = patience
        self.opened = 0
        self._idle: list[Line] = []

    async def get(self, path: str, *, at: float = 0.0, late: float = 0.0, headers: str = "") -> Shot:
        """Ask once; a refused or broken connection is a shot without a status."""
        loop = asyncio.get_running_loop()
        shot = Shot(path, at, late)
        request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n{headers}\r\n".encode()
        try:
            line = await self._line()
            began = shot.sent = loop.time()
            await line.send(shot, request, self.patience)
        except (OSError, TimeoutError):
            return shot
        shot.seconds = loop.time() - began
        if line.open:
            self._idle.append(line)
        return shot

    async def _line(self) -> Line:
        while self._idle:
            line = self._idle.pop()
            if line.open:
                return line
        self.opened += 1
        _, line = await asyncio.get_running_loop().create_connection(Line, LOOPBACK, self.port)
        return line

    async def open(self, count: int) -> None:
        """Open so many connections in advance."""
        self._idle += await asyncio.gather(*(self._fresh() for _ in range(count)))

    async def _fresh(self) -> Line:
        self.opened += 1
        _, line = await asyncio.get_running_loop().create_connection(Line, LOOPBACK, self.port)
        return line

    def close(self) -> None:
        for line in self._idle:
            line.transport.close()
        self._idle.clear()

    async def load(
        self, paths: Iterable[str], rate: float, *, stop: Callable[[], bool] = lambda: False
    ) -> list[Shot]:
        """Ask for the paths at a steady rate, until they or the patience of `stop` are exhausted."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        tasks: list[asyncio.Task[Shot]] = []
        for number, path in enumerate(paths):
            if stop():
                break
            due = began + number / rate
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            now = loop.time()
            tasks.append(asyncio.create_task(self.get(path, at=now - began, late=now - due)))
        return list(await asyncio.gather(*tasks))


async def volley(client: Client, paths: Sequence[str], width: int) -> list[Shot]:
    """Ask for all paths, so many at a time: a closed loop, for counting rather than timing."""
    waiting = iter(paths)
    shots: list[Shot] = []

    async def one() -> None:
        for path in waiting:
            shots.append(await client.get(path))  # noqa: PERF401 - an answer at a time

    await asyncio.gather(*(one() for _ in range(width)))
    return shots


def told(name: str, shots: Sequence[Shot]) -> str:
    """Say in one line how a load went."""
    statuses = dict(Counter(shot.status for shot in shots))
    parts = dict(
        Counter(shot.parts for shot in shots if shot.status == 200 and not shot.whole).most_common(4)
    )
    client, late = sorted(shot.seconds for shot in shots), sorted(shot.late for shot in shots)
    server = sorted(shot.server for shot in shots if shot.server)
    return (
        f"{name}: {len(shots)} requests {statuses}; "
        f"client p50 {at(client, 50)} p99 {at(client, 99)} max {at(client, 100)}; "
        f"server p50 {at(server, 50)} p99 {at(server, 99)} max {at(server, 100)}; "
        f"generator late p99 {at(late, 99)} max {at(late, 100)} (ms); not whole: {parts}"
    )


def at(values: Sequence[float], percent: int) -> float:
    """Return a percentile of sorted seconds in milliseconds, 0 of nothing."""
    if not values:
        return 0.0
    if percent == 50:
        return round(statistics.median(values) * 1000, 1)
    return round(values[min(len(values) - 1, len(values) * percent // 100)] * 1000, 1)
