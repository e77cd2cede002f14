"""An open-loop generator for overload: several kinds of requests at once, each at a rate of its own.

Requests leave when they are due, whatever became of the earlier ones; the generator's own lateness is told beside the
result. One thread and `epoll`, in a process of its own; connections are kept and reused, newest first.

    python -m bench.overload.shots PORT SECONDS PREFIX=RATE...
"""

import heapq
import json
import random
import selectors
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httptools

from bench.pace import moments, quantile
from bench.process import give_way, reported

__all__ = ["Kind", "fire"]

PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What became of the requests of one kind. Times are seconds; `good` are whole answers with 200."""

    asked: int
    good: int
    statuses: Mapping[str, int]
    p50: float
    p99: float
    per_second: Sequence[int]  # good answers, by the second in which their requests were due
    lateness: float


def fire(port: int, seconds: float, rates: Mapping[str, float], cores: tuple[int, ...]) -> dict[str, Kind]:
    """Run the generator in a process of its own; the kinds are prefixes of paths."""
    asked = [f"{prefix}={rate:g}" for prefix, rate in rates.items()]
    arguments = (str(port), f"{seconds:g}", *asked)
    told = reported("bench.overload.shots", arguments, cores, seconds=seconds + PATIENCE + 15)
    return {prefix: Kind(**one) for prefix, one in told.items()}


class Connection:
    """One connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kind = ""
        self.due = 0.0
        self.status = 0
        self.whole = True
        self.answered = self.closes = False

    def ask(self, kind: str, path: str, due: float) -> None:
        self.kind, self.due, self.answered, self.whole, self.status = kind, due, False, True, 0
        self._parser = httptools.HttpResponseParser(self)
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()
        )

    def read(self) -> None:
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        if data:
            self._parser.feed_data(data)
        else:
            self.answered = self.closes = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"stagedoor-parts" and any(
            word in value for word in (b"fallback", b"missing", b"stale")
        ):
            self.whole = False

    def on_message_complete(self) -> None:
        self.status, self.answered = self._parser.get_status_code(), True
        self.closes = not self._parser.should_keep_alive()


class Score:
    """What is counted of one kind."""

    def __init__(self, seconds: float) -> None:
        self.asked = 0
        self.statuses: dict[str, int] = {}
        self.latencies: list[float] = []
        self.delays: list[float] = []
        self.per_second = [0] * (int(seconds) + 1)

    def count(self, status: int, whole: bool, latency: float, due: float) -> None:
        name = str(status) if whole or status != 200 else "200 in part"
        self.statuses[name] = self.statuses.get(name, 0) + 1
        if name == "200":
            self.latencies.append(latency)
            self.per_second[int(due)] += 1

    def told(self) -> dict[str, object]:
        return {
            "asked": self.asked,
            "good": len(self.latencies),
            "statuses": self.statuses,
            "p50": quantile(self.latencies, 0.5),
            "p99": quantile(self.latencies, 0.99),
            "per_second": self.per_second,
            "lateness": quantile(self.delays, 0.99),
        }


class Generator:
    """Write requests when due, read answers when they come."""

    def __init__(self, port: int, seconds: float, rates: Mapping[str, float]) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._idle: list[Connection] = []
        self._busy = 0
        self._mark = f"{random.getrandbits(32):x}n"  # no run asks for what another asked for
        self.tallies = {kind: Score(seconds) for kind in rates}
        self._due = list(
            heapq.merge(
                *[
                    [(moment, kind) for moment in moments(rate, seconds, seed)]
                    for seed, (kind, rate) in enumerate(rates.items(), 1)
                ]
            )
        )

    def run(self) -> None:
        self._start = time.perf_counter()
        for due, kind in self._due:
            self._read_until(self._start + due)
            self._ask(kind, due)
        end = time.perf_counter() + PATIENCE
        while self._busy and time.perf_counter() < end:
            self._read_until(min(end, time.perf_counter() + 0.01))

    def _ask(self, kind: str, due: float) -> None:
        tally = self.tallies[kind]
        tally.asked += 1
        tally.delays.append(time.perf_counter() - self._start - due)
        path = kind if kind.startswith("/health") else f"{kind}{self._mark}{tally.asked}"
        try:
            connection = self._idle.pop() if self._idle else self._connect()
            connection.ask(kind, path, due)
        except OSError:
            tally.count(0, True, 0.0, due)
            return
        self._busy += 1

    def _connect(self) -> Connection:
        connection = Connection(self._port)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def _read_until(self, moment: float) -> None:
        while True:  # at least one look, also when late: answers that nobody reads would need new connections
            left = moment - time.perf_counter()
            for key, _ in self._selector.select(left if left > 0.0015 else 0):
                self._read(key.data)
            if left <= 0:
                return

    def _read(self, connection: Connection) -> None:
        connection.read()
        if not connection.answered:
            return
        self._busy -= 1
        latency = time.perf_counter() - self._start - connection.due
        self.tallies[connection.kind].count(connection.status, connection.whole, latency, connection.due)
        if connection.closes:
            self._selector.unregister(connection.socket)
            connection.socket.close()
        else:
            self._idle.append(connection)


def main(port: str, seconds: str, *asked: str) -> None:
    give_way()  # services share its core, and whoever asks too much starves them first: no gateway could answer
    rates = {kind: float(rate) for kind, _, rate in (one.rpartition("=") for one in asked)}
    generator = Generator(int(port), float(seconds), rates)
    generator.run()
    print(json.dumps({kind: tally.told() for kind, tally in generator.tallies.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
