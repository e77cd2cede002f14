"""A server of HTTP/2 whose frames a test writes itself (RFC 9113); the fields of requests are not read."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from stagedoor._requests import BodyStream, HttpResponse
from stagedoor._transports.http2 import Http2Transport
from tests.contracts.transports.house import House, transport_to
from tests.contracts.transports.server import RawServer

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END, ACK, WHOLE = 1, 1, 4  # flags
_PREFACE = 24


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def field(name: bytes, value: bytes) -> bytes:
    """Write a field without table and without Huffman's code (RFC 7541 6.2.2)."""
    return b"\x00" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),))
    rest, octets = len(text) - 127, bytearray((127,))
    while rest > 127:
        octets.append(rest & 127 | 128)
        rest >>= 7
    return bytes((*octets, rest))


def head(stream: int, status: int, *fields: tuple[bytes, bytes]) -> bytes:
    block = field(b":status", b"%d" % status) + b"".join(field(*each) for each in fields)
    return frame(HEADERS, WHOLE, stream, block)


def data(stream: int, body: bytes, *, end: bool = True) -> bytes:
    return frame(DATA, END if end else 0, stream, body)


def reset(stream: int, code: int) -> bytes:
    return frame(RESET, 0, stream, code.to_bytes(4, "big"))


class Peer:
    """One connection, from the side of the server."""

    def __init__(self, writer: asyncio.StreamWriter, number: int) -> None:
        self._writer = writer
        self.number = number  # of the connection, from 0
        self.room = 65_535  # bytes that the client takes on the whole connection
        self.stream_room = 65_535  # and on one stream, at first
        self.silent = False
        self.bodies: dict[int, bytes] = defaultdict(bytes)
        self.reset: dict[int, int] = {}  # codes with which the client gave streams up

    async def say(self, *frames: bytes) -> None:
        if not self.silent:
            self._writer.write(b"".join(frames))
            await self._writer.drain()

    async def answer(self, stream: int, body: bytes) -> None:
        """Answer whole, as soon as the client takes so much."""
        while self.room < len(body):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)
        self.room -= len(body)
        await self.say(head(stream, 200), data(stream, body))

    async def fill(self, stream: int) -> None:
        """Send of a body without end what the client takes of it."""
        await self.say(head(stream, 200))
        left = self.stream_room
        while left:
            if not self.room:
                await asyncio.sleep(0.001)
                continue
            piece = min(left, self.room, 16_384)
            left -= piece
            self.room -= piece
            await self.say(data(stream, b"x" * piece, end=False))

    def close(self) -> None:
        self._writer.close()


Script = Callable[[Peer, int], Awaitable[None]]


class FrameServer:
    """Runs a script for each request that is there: whole, or its head with `at_head`."""

    def __init__(self, script: Script, *, at_head: bool = False) -> None:
        self._script = script
        self._at_head = at_head
        self._tasks: set[asyncio.Future[None]] = set()
        self.peers: list[Peer] = []
        self.asked = 0

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for peer in self.peers:
            peer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(writer, len(self.peers))
        self.peers.append(peer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(_PREFACE)
            await peer.say(frame(SETTINGS, 0, 0))
            while True:
                await self._take(peer, reader)

    async def _take(self, peer: Peer, reader: asyncio.StreamReader) -> None:
        start = await reader.readexactly(9)
        kind, flags, stream = start[3], start[4], int.from_bytes(start[5:], "big")
        payload = await reader.readexactly(int.from_bytes(start[:3], "big"))
        if kind in (SETTINGS, PING) and not flags & ACK:
            if kind == SETTINGS:
                pairs = {payload[at : at + 2]: payload[at + 2 : at + 6] for at in range(0, len(payload), 6)}
                peer.stream_room = int.from_bytes(pairs.get(b"\0\4", b"\0\0\xff\xff"), "big")
            await peer.say(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == WINDOW and not stream:
            peer.room += int.from_bytes(payload, "big")
        elif kind == RESET:
            peer.reset[stream] = int.from_bytes(payload, "big")
        elif kind == DATA:
            await self._take_data(peer, stream, payload)
        if (flags & END and kind in (HEADERS, DATA) and not self._at_head) or (
            kind == HEADERS and self._at_head
        ):
            self._run(peer, stream)

    async def _take_data(self, peer: Peer, stream: int, payload: bytes) -> None:
        peer.bodies[stream] += payload
        if payload:
            more = len(payload).to_bytes(4, "big")
            await peer.say(frame(WINDOW, 0, 0, more), frame(WINDOW, 0, stream, more))

    def _run(self, peer: Peer, stream: int) -> None:
        self.asked += 1
        task = asyncio.ensure_future(self._script(peer, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def speaking(server: FrameServer, **options: object) -> House:
    """Return a house whose transport speaks HTTP/2 with that server."""
    transport: Http2Transport = transport_to("http2", server.url, prior_knowledge=True, **options)
    return House("http2", transport, RawServer(_unused))


async def _unused(*_: object) -> None:
    """Answer nothing: a house has a server of HTTP/1 that is not started here."""


def stream_of(response: HttpResponse) -> BodyStream:
    assert response.stream is not None
    return response.stream
