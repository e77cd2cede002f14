"""Services with so many places: what finds none stands in line, first come, first served, as in a pool of threads.

Each port is one service. It answers users, orders, product batches and `/things/...`; `GET /pace?0.1` lets it work at
a tenth of its speed from now on, `GET /seen` tells how many calls it has begun.

    python -m bench.overload.stub PLACES SECONDS PORT...
"""

import asyncio
import signal
import sys
from collections import deque
from typing import cast

import orjson
import uvloop

from bench.profile.stub import HEAD, NOT_FOUND, batch_of, body_length, orders_of, user_of

__all__ = ["Connection", "Service"]


class Service:
    """The places of one service, and who waits for one."""

    def __init__(self, places: int, seconds: float) -> None:
        self._free = places
        self._seconds = seconds
        self._line: deque[tuple[Connection, bytes]] = deque()
        self.pace = 1.0
        self.begun = 0

    def take(self, connection: "Connection", answer: bytes) -> None:
        """Answer once a place has been held long enough."""
        if self._free:
            self._free -= 1
            self._begin(connection, answer)
        else:
            self._line.append((connection, answer))

    def _begin(self, connection: "Connection", answer: bytes) -> None:
        self.begun += 1
        asyncio.get_running_loop().call_later(self._seconds / self.pace, self._end, connection, answer)

    def _end(self, connection: "Connection", answer: bytes) -> None:
        connection.write(answer)
        while self._line:
            following, said = self._line.popleft()
            if following.open:  # a service that looks before it begins; many do not
                self._begin(following, said)
                return
        self._free += 1


class Connection(asyncio.Protocol):
    """One connection; the gateway sends one request at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._data = b""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False

    def write(self, answer: bytes) -> None:
        if self.open:
            self._transport.write(b"%b%d\r\n\r\n%b" % (HEAD, len(answer), answer))

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self._data[:end], self._data[end + 4 :]
        if len(body) < (body_length(head) if head.startswith(b"P") else 0):
            return
        self._data = b""
        self._asked(head.split(b" ", 2)[1].decode(), body)

    def _asked(self, target: str, body: bytes) -> None:
        service = self._service
        if target.startswith("/pace?"):
            service.pace = float(target[6:])
            self.write(b"{}")
        elif target == "/seen":
            self.write(orjson.dumps({"begun": service.begun}))
        elif target == "/health":
            self.write(b'{"status":"healthy"}')
        elif (answer := _answer(target, body)) is None:
            self._transport.write(NOT_FOUND)
        else:
            service.take(self, answer)


def _answer(target: str, body: bytes) -> bytes | None:
    if target.startswith("/users/"):
        return user_of(target[7:])
    if target.startswith("/orders/user/"):
        return orders_of(target[13:])
    if target == "/products/batch":
        return batch_of(body)
    return orjson.dumps({"id": target[8:]}) if target.startswith("/things/") else None


async def serve(places: int, seconds: float, ports: list[int]) -> None:
    """Listen on all ports until told to stop."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    for port in ports:
        service = Service(places, seconds)
        await loop.create_server(lambda one=service: Connection(one), "127.0.0.1", port, backlog=4096)  # type: ignore[misc]
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
