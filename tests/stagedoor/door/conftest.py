"""A door on a real socket in this loop, an application that counts, and a client that writes raw octets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httptools
import pytest
import uvloop
from uvicorn.server import ServerState

from stagedoor._door.config import DoorConfig, ServerHooks
from stagedoor._door.limits import DoorLimits
from stagedoor._door.near import NearDoorProtocol
from stagedoor._problems import ProblemDetails

App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class Answer:
    """One answer as it came over the wire."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = False

    def field(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.fields if key.lower() == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class _Collector:
    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def on_message_begin(self) -> None:
        self.answers.append(Answer())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answers[-1].fields.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.answers[-1].body += body

    def on_message_complete(self) -> None:
        self.answers[-1].complete = True


def answers_in(raw: bytes) -> list[Answer]:
    """Take a stream of answers apart, strictly."""
    collector = _Collector()
    parser = httptools.HttpResponseParser(collector)

    def on_headers_complete() -> None:
        collector.answers[-1].status = parser.get_status_code()

    collector.on_headers_complete = on_headers_complete  # type: ignore[attr-defined]
    parser = httptools.HttpResponseParser(collector)
    parser.feed_data(raw)
    return collector.answers


class Served:
    """A door with its application, and what both saw."""

    def __init__(self, port: int, state: ServerState, config: DoorConfig) -> None:
        self.port = port
        self.state = state
        self.config = config
        self.seen: list[str] = []
        self.refused: list[tuple[int, str]] = []

    async def raw(self, *pieces: bytes, end: bool = False) -> bytes:
        """Write pieces, each in a packet of its own, and return all that comes until the door closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            if end:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 30)
        finally:
            writer.close()

    async def until_guests(self, count: int) -> None:
        """Wait until there are so many connections: the loop takes them up one by one."""
        async with asyncio.timeout(30):
            while len(self.state.connections) != count or (self.state.tasks and not count):  # noqa: ASYNC110 - its turn
                await asyncio.sleep(0.001)

    async def ask(self, *pieces: bytes) -> list[Answer]:
        return answers_in(await self.raw(*pieces))


@asynccontextmanager
async def serving(app: App | None = None, limits: DoorLimits | None = None) -> AsyncIterator[Served]:
    """Serve an application (an echo by default) on a free port."""
    served: Served

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        served.seen.append(f"{scope['method']} {scope['raw_path'].decode()}")
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        told = {
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "version": scope["http_version"],
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]
            ],
            "body": body.decode("latin-1"),
        }
        data = json.dumps(told).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    def refused(problem: ProblemDetails, request_id: str) -> None:
        served.refused.append((problem.status, request_id))

    entrance = ServerHooks(app=app or echo, refused=refused, new_id=lambda: "fresh")
    config = DoorConfig(entrance, limits=limits or DoorLimits(), namespace="cinema", host="127.0.0.1", port=0)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Mon, 05 Jan 2026 10:00:00 GMT")]
    server = await asyncio.get_running_loop().create_server(
        lambda: NearDoorProtocol(config, state, {}), "127.0.0.1", 0
    )
    served = Served(server.sockets[0].getsockname()[1], state, config)
    try:
        yield served
    finally:
        server.close()
        for connection in list(state.connections):
            connection.cut()  # type: ignore[union-attr]
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await asyncio.sleep(0)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on the loop that production runs on: transports differ between loops."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def door() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
