"""The generator: requests that are all different, at moments decided beforehand or one at a time.

A process of its own. It keeps every answer and judges none, so that looking at bodies does not make it late:

    python -m bench.catalogue.load PORT RATE SECONDS < requests > answers        an open loop
    python -m bench.catalogue.load PORT 0 PID < requests > answers              one at a time

One at a time, the CPU time that all threads of a process spent meanwhile is taken from /proc/PID/task/*/schedstat, in
nanoseconds. Requests are lines of JSON, `[path, body]`: without a body a GET, else a POST. Answers are lines in the
same order, `[latency, late, cpu, status, cache-status, x-total-count, body]`, times in seconds.
"""

import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import orjson

from bench.pace import PATIENCE, Connection, moments
from bench.process import ROOT

__all__ = ["Answer", "Request", "cpu_of", "one_at_a_time", "open_loop"]

Request = tuple[str, str]  # path, body


@dataclass(slots=True)
class Answer:
    """What came back, and when. Times are seconds; a status of 0 is an answer that did not come whole."""

    latency: float = 0.0
    late: float = 0.0
    cpu: float = 0.0
    status: int = 0
    cached: str = ""
    total: str = ""
    body: bytes = b""

    @property
    def hit(self) -> bool:
        """Tell whether a cache gave it."""
        return "hit" in self.cached


def open_loop(port: int, requests: Sequence[Request], rate: float, seconds: float) -> list[Answer]:
    """Ask at the rate; there must be a request for each moment."""
    return _run([str(port), f"{rate:g}", f"{seconds:g}"], requests, seconds + PATIENCE + 30)


def one_at_a_time(port: int, requests: Sequence[Request], pid: int) -> list[Answer]:
    """Ask each request when the one before is answered."""
    return _run([str(port), "0", str(pid)], requests, 60 + len(requests))


def _run(argv: Sequence[str], requests: Sequence[Request], patience: float) -> list[Answer]:
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "bench.catalogue.load", *argv],
        input=b"\n".join(orjson.dumps(request) for request in requests),
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=patience,
    )
    if done.returncode:
        raise RuntimeError(f"the generator failed: {done.stderr[-2000:].decode()}")
    return [_read(line) for line in done.stdout.splitlines()]


def _read(line: bytes) -> Answer:
    latency, late, cpu, status, cached, total, body = orjson.loads(line)
    return Answer(latency, late, cpu, status, cached, total, body.encode())


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that the threads of a process have used so far."""
    return sum(_on_cpu(path) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _on_cpu(path: Path) -> int:
    try:
        return int(path.read_text().split()[0])
    except OSError:  # ended meanwhile
        return 0


class Asking(Connection):
    """A connection that keeps the answer of the request under way."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.answer = Answer()

    def send(self, request: Request, due: float, answer: Answer) -> None:
        self.answer, self.due, self.answered = answer, due, False
        path, body = request
        fields = "Host: 127.0.0.1\r\nAccept: application/json\r\n"
        if body:
            fields += f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
        method = "POST" if body else "GET"
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{fields}\r\n{body}".encode())

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"cache-status":
                self.answer.cached = value.decode()
            case b"x-total-count":
                self.answer.total = value.decode()

    def on_body(self, body: bytes) -> None:
        self.answer.body += body


@dataclass
class Pool:
    """Connections, and a request under way on some of them."""

    port: int
    _selector: selectors.BaseSelector = field(default_factory=selectors.SelectSelector)
    _idle: list[Asking] = field(default_factory=list)
    busy: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            self._close(key.data)
        self._selector.close()

    def ask(self, request: Request, due: float) -> Answer:
        """Send a request; the answer fills itself as it comes."""
        connection = self._idle.pop() if self._idle else self._connect()
        answer = Answer(late=time.perf_counter() - due)
        connection.send(request, due, answer)
        self.busy += 1
        return answer

    def read(self, patience: float) -> None:
        """Take what comes within so many seconds, at least once."""
        for key, _ in self._selector.select(patience):
            self._take(key.data)

    def _take(self, connection: Asking) -> None:
        connection.read()
        if not connection.answered:
            return
        self.busy -= 1
        answer = connection.answer
        answer.latency, answer.status = time.perf_counter() - connection.due, connection.status
        if connection.status:
            self._idle.append(connection)
        else:
            self._close(connection)

    def _connect(self) -> Asking:
        connection = Asking(self.port)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def _close(self, connection: Asking) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()


def paced(pool: Pool, requests: Sequence[Request], due: Sequence[float]) -> Iterator[Answer]:
    """Ask when due, and wait for the last answers."""
    start = time.perf_counter()
    for request, moment in zip(requests, due, strict=False):
        while (left := start + moment - time.perf_counter()) > 0:
            pool.read(left)
        yield pool.ask(request, start + moment)
    end = time.perf_counter() + PATIENCE
    while pool.busy and time.perf_counter() < end:
        pool.read(0.01)


def in_turn(pool: Pool, requests: Sequence[Request], pid: int) -> Iterator[Answer]:
    """Ask one after the other, and take the CPU time of each."""
    for request in requests:
        before = cpu_of(pid)
        answer = pool.ask(request, time.perf_counter())
        end = time.perf_counter() + PATIENCE
        while pool.busy and time.perf_counter() < end:
            pool.read(0.05)
        answer.cpu = cpu_of(pid) - before
        yield answer


def main(port: str, rate: str, last: str) -> None:
    requests: list[Request] = [orjson.loads(line) for line in sys.stdin.buffer]
    with Pool(int(port)) as pool:
        if float(rate):
            asked = paced(pool, requests, moments(float(rate), float(last)))
        else:
            asked = in_turn(pool, requests, int(last))
        answers = list(asked)
    for answer in answers:
        line = [
            answer.latency,
            answer.late,
            answer.cpu,
            answer.status,
            answer.cached,
            answer.total,
            answer.body.decode(errors="replace"),
        ]
        sys.stdout.buffer.write(orjson.dumps(line) + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
