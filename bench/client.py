"""CPU time per call of our HTTP/1.1 client beside aiohttp and pyreqwest, in one run, on one core each.

The stub is a process of its own: a bare asyncio protocol that answers every request with the same 1 KB of JSON. Each
client makes the same calls, 32 at a time, on uvloop; what counts is the CPU time of the client's process per call,
because stub and client share the machine. Rounds are interleaved; the best of each is printed (noise only adds).
"""

import asyncio
import contextlib
import math
import multiprocessing
import resource
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import cast

import aiohttp
import uvloop
from pyreqwest.client import ClientBuilder

from stagedoor._call import Call
from stagedoor._deadline import DueTime
from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport

CALLS, AT_ONCE, ROUNDS = 20_000, 32, 3
BODY = b'{"id":"user123","name":"' + b"x" * 1000 + b'"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\ndate: Mon, 05 Jan 2026 10:00:00 GMT\r\nserver: stub\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n" % len(BODY) + BODY
)
Ask = Callable[[], Awaitable[object]]


class Stub(asyncio.Protocol):
    """Answers as soon as a head is complete; the clients send no bodies and do not pipeline."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self.transport.write(ANSWER)


def serve(port: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(run())


def cpu() -> float:
    """Return the CPU seconds of this process, threads included: pyreqwest works in threads of its own."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(ask: Ask) -> float:
    """Return the CPU microseconds of one call."""
    left = CALLS

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask()

    for _ in range(200):
        await ask()
    before = cpu()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return (cpu() - before) / CALLS * 1e6


async def ours(url: str) -> float:
    transport = HttpTransport(url)
    now = time.monotonic

    async def ask() -> object:
        payload = HttpRequest(target=b"/api/users/user123", headers=((b"accept", b"application/json"),))
        return await transport.send(
            Call(
                operation="users.get",
                payload=payload,
                key=transport.key_of(payload),
                identity="",
                deadline=DueTime(now() + 0.5),
                idempotent=transport.idempotent(payload),
            )
        )

    try:
        return await measure(ask)
    finally:
        await transport.aclose()


async def with_aiohttp(url: str) -> float:
    timeout = aiohttp.ClientTimeout(total=0.5)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:

        async def ask() -> object:
            async with session.get(
                url + "/api/users/user123", headers={"accept": "application/json"}, allow_redirects=False
            ) as response:
                return await response.read()

        return await measure(ask)


async def with_pyreqwest(url: str) -> float:
    builder = (
        ClientBuilder()
        .no_proxy()
        .follow_redirects(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
    )
    async with builder.timeout(timedelta(seconds=0.5)).build() as client:

        async def ask() -> object:
            response = (
                await client.get(url + "/api/users/user123")
                .header("accept", "application/json")
                .build()
                .send()
            )
            return bytes(await response.bytes())

        return await measure(ask)


def main() -> None:
    near, far = multiprocessing.Pipe()
    stub = multiprocessing.get_context("fork").Process(target=serve, args=(far,), daemon=True)
    stub.start()
    url = f"http://127.0.0.1:{near.recv()}"
    clients: dict[str, Callable[[str], Awaitable[float]]] = {
        "stagedoor": ours,
        "aiohttp": with_aiohttp,
        "pyreqwest": with_pyreqwest,
    }
    best = dict.fromkeys(clients, math.inf)
    for _ in range(ROUNDS):
        for name, client in clients.items():
            best[name] = min(best[name], uvloop.run(_await(client, url)))
    stub.terminate()
    print(f"{CALLS} GET of {len(BODY)} bytes, {AT_ONCE} at a time, best of {ROUNDS} rounds")
    for name, spent in best.items():
        print(f"{name:12} {spent:7.1f} µs CPU per call")


async def _await(client: Callable[[str], Awaitable[float]], url: str) -> float:
    return await client(url)


if __name__ == "__main__":
    main()
