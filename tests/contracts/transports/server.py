"""Servers that do what a test tells them, byte for byte, on loopback or a Unix socket."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from stagedoor._requests import Headers


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: bytes
    headers: Headers
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a field, in order."""
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer that any server can give: `gate` holds it back, `cut` ends the connection before the last chunk."""

    status: int = 200
    headers: Headers = ()
    chunks: tuple[bytes, ...] = (b"",)
    gate: asyncio.Event | None = None
    cut: bool = False


Answer = Callable[[Seen], Awaitable[Reply]]
Script = Callable[[Seen, "Wire"], Awaitable[bool | None]]


class Wire:
    """The server's end of one connection, in the hands of a script."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number  # of the connection, from 0

    async def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def hang(self) -> None:
        """Wait until the other side goes."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """End the connection at once."""
        self.writer.transport.abort()


class RawServer:
    """Reads requests and lets a script answer; a script that returns False closes the connection."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._host = host
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, unix: str = "") -> Self:
        if unix:
            self._server = await asyncio.start_unix_server(self._serve, unix)
        else:
            self._server = await asyncio.start_server(self._serve, self._host, self.port, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports take leave one turn later

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = Wire(reader, writer, self.connections)
        self.connections += 1
        try:
            await self._converse(wire)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side went
        except asyncio.CancelledError:
            writer.transport.abort()  # the test is over: nobody will read what is still buffered
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(self, wire: Wire) -> None:
        while True:
            seen = await read_request(wire.reader)
            self.seen.append(seen)
            if await self.script(seen, wire) is False:
                return


async def read_request(reader: asyncio.StreamReader) -> Seen:
    """Read one request, its body too."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    method, target, _ = first.split(b" ")
    headers = tuple(
        (name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)
    )
    return Seen(
        method=method.decode(), target=target, headers=headers, body=await _body(reader, dict(headers))
    )


async def _body(reader: asyncio.StreamReader, fields: dict[bytes, bytes]) -> bytes:
    if b"transfer-encoding" not in fields:
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


def script_of(answer: Answer) -> Script:
    """Return the script that gives plain answers as bytes."""

    async def script(seen: Seen, wire: Wire) -> bool | None:
        reply = await answer(seen)
        if reply.gate is not None:
            await reply.gate.wait()
        await wire.say(head_of(reply, seen.method))
        if seen.method == "HEAD" or reply.status in (204, 304):
            return None
        *first, last = reply.chunks
        for chunk in first:
            await wire.say(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if reply.cut:
            return False
        await wire.say(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last) if first else last)
        return None

    return script


def head_of(reply: Reply, method: str) -> bytes:
    """Return the head of a plain answer: one chunk goes out with its length, more go out chunked."""
    lines = [b"HTTP/1.1 %d Said\r\n" % reply.status, *(b"%b: %b\r\n" % pair for pair in reply.headers)]
    if len(reply.chunks) > 1:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif reply.status not in (204, 304):
        lines.append(b"Content-Length: %d\r\n" % len(reply.chunks[0]))
    return b"".join(lines) + b"\r\n"


@dataclass
class AnsweringApp:
    """The same plain answers as an ASGI application."""

    answer: Answer
    seen: list[Seen] = field(default_factory=list)
    finished: int = 0  # calls that ended in any way

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._run(scope, receive, send)
        finally:
            self.finished += 1

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        seen = Seen(
            method=scope["method"],
            target=scope["raw_path"] + query,
            headers=tuple(scope["headers"]),
            body=body,
        )
        self.seen.append(seen)
        reply = await self.answer(seen)
        if reply.gate is not None:
            await reply.gate.wait()
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        *first, last = reply.chunks
        for chunk in first:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not reply.cut:
            await send({"type": "http.response.body", "body": last})
