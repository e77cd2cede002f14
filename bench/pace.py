"""Open-loop load: requests leave at moments decided beforehand, whatever became of the earlier ones (G11).

Gaps are exponential, so that requests sometimes meet, as those of strangers do. Latency counts from the moment at
which a request was due, not from when it was written: a late generator or a stalled target cannot hide in it. The
generator's own lateness is reported beside it. One thread and `select`: its time-outs are in microseconds, those of
epoll in milliseconds.

    python -m bench.pace PORT PREFIX RATE SECONDS
"""

import json
import math
import random
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

import httptools

from bench.process import reported

__all__ = ["Paced", "moments", "pace", "quantile"]

PATIENCE = 3.0  # seconds to wait for the last answers


@dataclass(frozen=True, slots=True)
class Paced:
    """What one run saw. Times are seconds."""

    requests: int
    errors: int
    p50: float
    p99: float
    lateness: float  # p99 of the generator's own delay


def pace(port: int, prefix: str, *, rate: float, seconds: float, cores: tuple[int, ...]) -> Paced:
    """Run the generator in a process of its own, on cores of its own."""
    arguments = (str(port), prefix, f"{rate:g}", f"{seconds:g}")
    return Paced(**reported("bench.pace", arguments, cores, seconds=seconds + PATIENCE + 15))


def moments(rate: float, seconds: float, seed: int = 1) -> list[float]:
    """Return when requests are due, in seconds from the start: a Poisson process, the same for each target."""
    rng, due, now = random.Random(seed), [], 0.0
    while (now := now + rng.expovariate(rate)) < seconds:
        due.append(now)
    return due


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all values does not exceed (nearest rank); nan if there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Connection:
    """One connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.answered = False
        self.status = 0
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, path: str, due: float) -> None:
        self.due, self.answered = due, False
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()
        )

    def read(self) -> None:
        """Take what has arrived; a close before the end of the answer counts as status 0."""
        data = self.socket.recv(65536)
        if data:
            self._parser.feed_data(data)
        else:
            self.status, self.answered = 0, True

    def on_message_complete(self) -> None:
        self.status, self.answered = self._parser.get_status_code(), True


class Generator:
    """Write requests when due, read answers when they come, and keep the times."""

    def __init__(self, port: int, prefix: str) -> None:
        self._port = port
        self._prefix = prefix
        self._selector = selectors.SelectSelector()
        self._idle: list[Connection] = []
        self._busy = 0
        self.asked = 0
        self.errors = 0
        self.latencies: list[float] = []
        self.delays: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            self._close(key.data)
        self._selector.close()

    def run(self, due: Sequence[float]) -> Paced:
        start = time.perf_counter()
        for moment in due:
            self._read_until(start + moment)
            self._ask(start + moment)
        end = time.perf_counter() + PATIENCE
        while self._busy and time.perf_counter() < end:
            self._read_until(min(end, time.perf_counter() + 0.01))
        self.errors += self._busy
        return Paced(
            requests=self.asked,
            errors=self.errors,
            p50=quantile(self.latencies, 0.5),
            p99=quantile(self.latencies, 0.99),
            lateness=quantile(self.delays, 0.99),
        )

    def _ask(self, due: float) -> None:
        self.asked += 1
        connection = self._idle.pop() if self._idle else self._connect()
        self.delays.append(time.perf_counter() - due)
        connection.ask(f"{self._prefix}{self.asked}", due)
        self._busy += 1

    def _connect(self) -> Connection:
        connection = Connection(self._port)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def _read_until(self, moment: float) -> None:
        while (left := moment - time.perf_counter()) > 0:
            for key, _ in self._selector.select(left):
                self._read(key.data)

    def _read(self, connection: Connection) -> None:
        connection.read()
        if not connection.answered:
            return
        self._busy -= 1
        self.latencies.append(time.perf_counter() - connection.due)
        if connection.status == 200:
            self._idle.append(connection)
        else:
            self.errors += 1
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()


def main(port: str, prefix: str, rate: str, seconds: str) -> None:
    with Generator(int(port), prefix) as generator:
        seen = generator.run(moments(float(rate), float(seconds)))
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main(*sys.argv[1:])
