"""A media service in memory, as the contract describes it (11): what it keeps is the test's to say."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from time import time
from typing import Any
from uuid import uuid4

import uvicorn
from starlette.types import Receive, Scope, Send

from cinema.services.multipart import Begun, Content, Parser, boundary_of
from tests.servers import free_port

PNG = b"\x89PNG\r\n\x1a\n"
NAME = re.compile(r"/api/files/([0-9a-f-]{36}\.(?:png|jpg|webp|gif))")
KINDS = {PNG[:4]: "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "webp"}


@dataclass
class MediaStand:
    """Takes whatever begins as a picture does."""

    token: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    born: dict[str, float] = field(default_factory=dict)
    uploads: int = 0
    removed: list[str] = field(default_factory=list)
    away: bool = False
    before_answer: Callable[[str], Any] | None = None  # told the name of each upload before it is answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        fields = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, said = await self._answer(scope, fields, bytes(body))
        out = b"" if said is None else json.dumps(said).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(out))]
        await send({"type": "http.response.start", "status": status, "headers": head if out else []})
        await send({"type": "http.response.body", "body": out})

    async def _answer(self, scope: Scope, fields: dict[str, str], body: bytes) -> tuple[int, Any]:
        method, path = scope["method"], scope["path"]
        if self.away:
            return 503, {"detail": "the store does not answer"}
        if self.token and fields.get("authorization") != f"Bearer {self.token}":
            return 401, {"detail": "who are you"}
        if (method, path) == ("POST", "/api/files/upload"):
            return await self._upload(fields, body)
        if (method, path) == ("GET", "/api/files"):
            return 200, self._listed(scope["query_string"].decode())
        found = NAME.fullmatch(path)
        if method == "DELETE" and found is not None:
            self.files.pop(found[1], None)
            self.removed.append(found[1])
            return 204, None
        return 404, {"detail": "File not found"}

    async def _upload(self, fields: dict[str, str], body: bytes) -> tuple[int, Any]:
        self.uploads += 1
        boundary = boundary_of(fields["content-type"])
        assert boundary is not None
        events = Parser(boundary).feed(body)
        assert [one.name for one in events if isinstance(one, Begun)] == ["file"]
        octets = b"".join(one.octets for one in events if isinstance(one, Content))
        kind = next((kind for magic, kind in KINDS.items() if octets.startswith(magic)), None)
        if octets == b"bomb":
            return 422, {"detail": "an image has at most 50,000,000 pixels"}
        if kind is None:
            return 415, {"detail": "this is no picture"}
        name = f"{uuid4()}.{kind}"
        self.files[name], self.born[name] = octets, time()
        if self.before_answer is not None:
            told = self.before_answer(name)
            if asyncio.iscoroutine(told):
                await told
        return 201, {"filename": name}

    def _listed(self, query: str) -> list[dict[str, Any]]:
        said = dict(one.partition("=")[::2] for one in query.split("&"))
        names = sorted(name for name in self.files if name > said["after"])[: int(said["limit"])]
        return [{"filename": name, "age": time() - self.born[name]} for name in names]


@asynccontextmanager
async def listening(stand: MediaStand) -> AsyncIterator[str]:
    """Let it listen; yield its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(stand, port=port, log_level="critical", lifespan="off"))
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def _no_signals() -> Any:
    return nullcontext()
