"""A crowd: thousands of open connections, each of which asks when its turn comes, in an open loop (G11).

Latency counts from the moment at which a request was due. The connections take turns, so that none is warmer than the
others. What the gateway's processes have in memory and have used is read at the moments between which it counts:
before anybody has come, with all there, before and after the load.

    python -m bench.connections.crowd PORT SESSION RATE SECONDS CONNECTIONS
"""

import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from bench.pace import PATIENCE, Paced, moments, quantile
from bench.process import Usage, processes, usage_of

__all__ = ["Crowd", "Seen", "length_of"]

PATH: Final = "/small"
WARM: Final = 64  # connections of the warm-up
WARM_SECONDS: Final = 2.0
AT_ONCE: Final = 200  # that come together
REST: Final = 0.5  # seconds, until what has ended is charged
_ASK: Final = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run saw: times are seconds, memory is bytes."""

    paced: Paced
    cpu: float  # of all processes, for the answers of the load
    idle: int  # memory with nobody there, after a warm-up
    open: int  # with all connections there, each of which has asked once
    loaded: int  # after the load
    held: tuple[int, ...]  # connections, by worker


def length_of(answer: bytes) -> int | None:
    """Return the length of a whole answer by its head; None if the head is not all there."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    after = answer[:end].lower().partition(b"\r\ncontent-length:")[2]
    return end + 4 + int(after.partition(b"\r\n")[0] or 0)


class Crowd:
    """Connections that wait for their turn, those that wait for an answer, and the times of both."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._idle: deque[int] = deque()
        self._due: dict[int, float] = {}  # by descriptor: since when an answer is due
        self._parts: dict[int, bytes] = {}  # what has come of an answer that is not whole
        self.errors = 0
        self.latencies: list[float] = []
        self.delays: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets.values():
            each.close()
        self._poll.close()

    def open(self, count: int) -> None:
        """Open so many connections, and ask once on each."""
        for first in range(0, count, AT_ONCE):
            for _ in range(min(AT_ONCE, count - first)):
                self._connect()
            for _ in range(len(self._idle) - first):
                self._ask(time.perf_counter())
            self._finish()
        self.latencies.clear()
        self.delays.clear()

    def run(self, due: Sequence[float]) -> Paced:
        """Ask at these moments, seconds from now, and read what comes."""
        start = time.perf_counter()
        for moment in due:
            while (left := start + moment - time.perf_counter()) > 0:
                self._read(left)
            self._ask(start + moment)
        self._finish()
        return Paced(
            requests=len(due),
            errors=self.errors,
            p50=quantile(self.latencies, 0.5),
            p99=quantile(self.latencies, 0.99),
            lateness=quantile(self.delays, 0.99),
        )

    def _connect(self) -> None:
        one = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        self._sockets[one.fileno()] = one
        self._poll.register(one.fileno(), select.EPOLLIN)
        self._idle.append(one.fileno())

    def _ask(self, due: float) -> None:
        end = due + PATIENCE
        while not self._idle and self._due and time.perf_counter() < end:
            self._read(0.01)
        if not self._idle:
            self.errors += 1
            return
        number = self._idle.popleft()
        self._due[number] = due
        self.delays.append(time.perf_counter() - due)
        with suppress(OSError):  # it is read, too
            self._sockets[number].send(_ASK)

    def _finish(self) -> None:
        end = time.perf_counter() + PATIENCE
        while self._due and time.perf_counter() < end:
            self._read(0.01)
        self.errors += len(self._due)
        self._due.clear()

    def _read(self, seconds: float) -> None:
        for number, _ in self._poll.poll(seconds):
            try:
                data = self._sockets[number].recv(65_536)
            except OSError:
                data = b""
            self._take(number, data)

    def _take(self, number: int, data: bytes) -> None:
        answer = self._parts.pop(number, b"") + data
        length = length_of(answer)
        if not data or (length is not None and not answer.startswith(b"HTTP/1.1 200 ")):
            self._leave(number)
        elif length is None or len(answer) < length:
            self._parts[number] = answer
        else:
            self.latencies.append(time.perf_counter() - self._due.pop(number))
            self._idle.append(number)

    def _leave(self, number: int) -> None:
        """Count an answer that is no answer, or a connection that was closed, as an error."""
        self.errors += 1
        self._due.pop(number, None)
        with suppress(ValueError):
            self._idle.remove(number)
        self._poll.unregister(number)
        self._sockets.pop(number).close()


def resident(session: int) -> Usage:
    """Return what the gateway uses now."""
    time.sleep(REST)
    return usage_of(session, processes())


def sockets_of(session: int) -> dict[int, int]:
    """Return how many sockets each process of a session has."""
    return {one.pid: _sockets(one.pid) for one in processes() if one.session == session}


def _sockets(pid: int) -> int:
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found += str(descriptor.readlink()).startswith("socket:")
    return found


def main(port: int, session: int, rate: float, seconds: float, connections: int) -> Seen:
    """Come, ask, and say what was seen."""
    with Crowd(port) as warm:
        warm.open(WARM)
        warm.run(moments(rate, WARM_SECONDS))
    idle, before = resident(session), sockets_of(session)
    with Crowd(port) as crowd:
        crowd.open(connections)
        there, after = resident(session), sockets_of(session)
        paced = crowd.run(moments(rate, seconds))
        loaded = resident(session)
    held = sorted(after[pid] - before.get(pid, 0) for pid in after)
    return Seen(
        paced, loaded.cpu - there.cpu, idle.rss, there.rss, loaded.rss, tuple(one for one in held if one)
    )


if __name__ == "__main__":
    numbers = sys.argv[1:]
    seen = main(int(numbers[0]), int(numbers[1]), float(numbers[2]), float(numbers[3]), int(numbers[4]))
    print(json.dumps(asdict(seen)))
