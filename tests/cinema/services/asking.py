"""Ask an ASGI application without a server: one call, one answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Asker:
    """Hold an application that has been started."""

    app: ASGIApp

    async def __call__(
        self, target: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        raw, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        sent: list[Message] = []

        arriving: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return arriving.pop() if arriving else await asyncio.get_running_loop().create_future()

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, *chunks = sent
        fields = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], fields, b"".join(chunk.get("body", b"") for chunk in chunks))

    async def post(self, target: str, value: object) -> Reply:
        """Send a value as JSON."""
        return await self(target, "POST", json.dumps(value).encode(), {"content-type": "application/json"})


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[Asker]:
    """Start an application the way a server does, and stop it in the end."""
    told: asyncio.Queue[Message] = asyncio.Queue()
    heard: asyncio.Queue[Message] = asyncio.Queue()
    running = asyncio.create_task(_run(app, told, heard))
    await told.put({"type": "lifespan.startup"})
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    try:
        yield Asker(app)
    finally:
        await told.put({"type": "lifespan.shutdown"})
        await running


async def _run(app: ASGIApp, told: asyncio.Queue[Message], heard: asyncio.Queue[Message]) -> None:
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, told.get, heard.put)
