"""The upstreams of all targets: users, orders and products for any id, in one small process.

A raw protocol that looks for what it needs and nothing else, so that the upstreams cost little and the same for
everybody: about 15 microseconds a call. Product ids carry the user's id, so that no batch equals another and nobody
can join or cache them (G11). Calls are counted; `GET /calls` tells how many were made of each kind.
"""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, cast

import orjson
import uvloop

__all__ = ["Stub", "batch_of", "body_length", "orders_of", "product_of", "user_of"]

NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "

USER: Final = (
    '{{"id":"{0}","username":"{0}","email":"{0}@example.com","full_name":"Анна Смирнова","is_active":true,'
    '"created_at":"2023-02-20T09:15:00Z"}}'
)
ORDERS: Final = (
    '[{{"id":"order-{0}-1","user_id":"{0}","status":"доставлен","total_amount":2075.23,"items":['
    '{{"product_id":"prod-{0}-1","quantity":2,"price":999.99}},{{"product_id":"prod-{0}-2","quantity":1,"price":75.25}}'
    '],"created_at":"2023-12-05T16:45:00Z"}},'
    '{{"id":"order-{0}-2","user_id":"{0}","status":"ожидает","total_amount":149.5,"items":['
    '{{"product_id":"prod-{0}-3","quantity":1,"price":149.5}}],"created_at":"2024-01-10T08:30:00Z"}}]'
)
PRODUCT: Final = (
    '{{"id":"{0}","name":"Ноутбук","description":"Лёгкий ноутбук для работы и учёбы","price":999.99,'
    '"category":"Электроника","stock_quantity":50}}'
)


def user_of(user_id: str) -> bytes:
    return USER.format(user_id).encode()


def orders_of(user_id: str) -> bytes:
    return ORDERS.format(user_id).encode()


def product_of(product_id: str) -> bytes:
    return PRODUCT.format(product_id).encode()


def batch_of(body: bytes) -> bytes:
    return b"[" + b",".join(product_of(one) for one in orjson.loads(body)["product_ids"]) + b"]"


def body_length(head: bytes) -> int:
    """Return the declared length of a request's body, 0 if none is declared; chunked bodies are not understood."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


class Stub(asyncio.Protocol):
    """One connection; `calls` is shared by all."""

    def __init__(self, calls: Counter[str]) -> None:
        self._calls = calls
        self._pending = b""
        self._write: Callable[[bytes], None] = _nowhere

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast("asyncio.Transport", transport).write  # uvloop's own class is no subclass of it

    def data_received(self, data: bytes) -> None:
        for head, body in self._requests(data):
            method, target, _ = head.split(b" ", 2)
            answer = self._answer(method, target.decode(), body)
            self._write(NOT_FOUND if answer is None else b"%b%d\r\n\r\n%b" % (HEAD, len(answer), answer))

    def _requests(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        data = self._pending + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, start = data[:end], end + 4
            stop = start + (body_length(head) if data.startswith(b"P") else 0)
            if len(data) < stop:
                break
            yield head, data[start:stop]
            data = data[stop:]
        self._pending = data

    def _answer(self, method: bytes, target: str, body: bytes) -> bytes | None:
        if target.startswith("/users/"):
            self._calls["users"] += 1
            return user_of(target[7:])
        if target.startswith("/orders/user/"):
            self._calls["orders"] += 1
            return orders_of(target[13:])
        if method == b"POST" and target == "/products/batch":
            self._calls["products"] += 1
            return batch_of(body)
        return orjson.dumps(self._calls) if target == "/calls" else None


def _nowhere(_: bytes) -> None:
    raise RuntimeError("not connected")


async def serve(ports: list[int]) -> None:
    """Listen on all ports until told to stop."""
    loop, calls, stop = asyncio.get_running_loop(), Counter[str](), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    for port in ports:
        await loop.create_server(lambda: Stub(calls), "127.0.0.1", port)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
