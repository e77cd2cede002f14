"""The three services as one process that does what it is told and counts what it is asked.

    with Stub(platform.ports) as stub:
        stub.tell(users="503", orders="hang")
        stub.counts()["users"].requests

Modes: `ok`, a status such as `503`, `hang` (reads and never answers), `cut` (reads, then closes), `drop` (closes
before it reads) and `refuse` (does not listen). `delay` is a pair of seconds; each answer waits between the two.
"""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httptools

from tests.live.platform import ROOT
from tests.servers import LOOPBACK, parental

__all__ = ["Seen", "Stub"]

SERVICES = ("users", "orders", "products")
_USER = {
    "username": "a",
    "email": "a@example.com",
    "full_name": "A",
    "is_active": True,
    "created_at": "2023-01-15T10:30:00Z",
}
_ORDER = {
    "id": "order1",
    "status": "new",
    "total_amount": 1.5,
    "items": [{"product_id": "prod1", "quantity": 1, "price": 1.5}],
    "created_at": "2023-01-15T10:30:00Z",
}
_PRODUCT = {"name": "P", "description": "", "price": 1.5, "category": "C", "stock_quantity": 1}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one service has been asked since it was last told anything."""

    connections: int
    requests: int


class Stub:
    """The test's side."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        addresses = [str(ports[name]) for name in SERVICES]
        self._process = subprocess.Popen(
            [*parental(), sys.executable, "-m", "tests.live.stub", *addresses],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._say({})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, delay: tuple[float, float] = (0.0, 0.0), /, **modes: str) -> None:
        """Set the modes, `ok` for those not named, and count from 0 again."""
        self._say({"modes": {name: modes.get(name, "ok") for name in SERVICES}, "delay": delay})

    def counts(self) -> dict[str, Seen]:
        """Return what each service has seen."""
        return {name: Seen(*seen) for name, seen in self._say({}).items()}

    def _say(self, order: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


# --- the process ----------------------------------------------------------------------------------------------


class Service:
    """One of the three."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.mode = "ok"
        self.delay = (0.0, 0.0)
        self.connections = 0
        self.requests = 0
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()

    async def become(self, mode: str, delay: tuple[float, float]) -> None:
        self.mode, self.delay, self.connections, self.requests = mode, delay, 0, 0
        if mode == "refuse" and self._server is not None:
            self._server.close()
            self._server = None
            for connection in tuple(self._open):
                connection.transport.abort()
        elif mode != "refuse" and self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Connection(self), LOOPBACK, self.port, backlog=4096
            )

    def opened(self, connection: "Connection") -> None:
        self.connections += 1
        self._open.add(connection)
        if self.mode == "drop":
            connection.transport.abort()

    def closed(self, connection: "Connection") -> None:
        self._open.discard(connection)

    def asked(self, connection: "Connection", path: str, body: bytes) -> None:
        self.requests += 1
        if self.mode == "cut":
            connection.transport.close()
        elif self.mode != "hang":
            status = 200 if self.mode == "ok" else int(self.mode)
            value = ANSWERS[self.name](path, body) if status == 200 else {}
            answer = json.dumps(value).encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
            wait = random.uniform(*self.delay)
            loop = asyncio.get_running_loop()
            loop.call_later(wait, connection.transport.write, head.encode() + answer)


class Connection(asyncio.Protocol):
    """A connection to one of the three."""

    def __init__(self, service: Service) -> None:
        self.transport: asyncio.Transport
        self._service = service
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._service.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.closed(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._path = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._service.asked(self, self._path.decode(), self._body)


def user(path: str, _: bytes) -> Any:
    return {"id": path.rpartition("/")[2], **_USER}


def orders(path: str, _: bytes) -> Any:
    return [{**_ORDER, "user_id": path.rpartition("/")[2]}]


def products(_: str, body: bytes) -> Any:
    return [{"id": one, **_PRODUCT} for one in json.loads(body)["product_ids"]]


ANSWERS = {"users": user, "orders": orders, "products": products}


async def main(ports: list[str]) -> None:
    """Do what standard input says, a line at a time, until it ends."""
    services = [Service(name, int(port)) for name, port in zip(SERVICES, ports, strict=True)]
    for service in services:
        await service.become("ok", (0.0, 0.0))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if order:
            for service in services:
                await service.become(order["modes"][service.name], tuple(order["delay"]))
        seen = {service.name: [service.connections, service.requests] for service in services}
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
