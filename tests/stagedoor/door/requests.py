"""Requests as bytes, and applications that answer them."""

import asyncio
import socket
from typing import Any

from tests.stagedoor.door.conftest import Served

H = b"Host: a\r\n"
END = b"\r\n"
CLOSE = b"Connection: close\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def get(target: bytes = b"/", fields: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + H + fields + CLOSE


async def connected(door: Served) -> socket.socket:
    """Return a client that takes little at a time."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", door.port))
    return client


# --- what the application does ------------------------------------------------------------------------------------


async def answering(scope: Any, receive: Any, send: Any, *messages: dict[str, Any]) -> None:
    await receive()
    for message in messages:
        await send(message)


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}
