"""A client that speaks to an ASGI application in this process, byte for byte as a server would hand it over."""

import asyncio
from typing import Any
from urllib.parse import unquote

from stagedoor._asgi import Application, Message
from stagedoor._requests import Headers, HttpResponse

__all__ = ["Client"]


class Client:
    """Ask an application; every status is an answer. `leave` makes the clients of open requests go away."""

    def __init__(self, app: Application, *, address: str = "192.0.2.1") -> None:
        self._app = app
        self._address = address
        self._gone = asyncio.Event()

    async def ask(
        self, target: str, *, method: str = "GET", headers: Headers = (), body: bytes = b""
    ) -> HttpResponse:
        """Send one request and return the whole answer; raises `ConnectionError` if the client left first."""
        path, _, query = target.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "client": (self._address, 50000),
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), *headers],
        }
        exchange = _ClientRequest(body, self._gone)
        await self._app(scope, exchange.receive, exchange.send)
        return exchange.response()

    def leave(self) -> None:
        """Disconnect every client whose request is still open."""
        self._gone.set()


class _ClientRequest:
    def __init__(self, body: bytes, gone: asyncio.Event) -> None:
        self._body: bytes | None = body
        self._gone = gone
        self._head: Message | None = None
        self._chunks: list[bytes] = []

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
        else:
            self._chunks.append(message.get("body", b""))

    def response(self) -> HttpResponse:
        if self._head is None:
            raise ConnectionError("the client left before there was an answer")
        body = b"".join(self._chunks)
        return HttpResponse(status=self._head["status"], headers=tuple(self._head["headers"]), body=body)
