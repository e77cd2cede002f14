"""A thousand clients that mean no good, beside one that does: `python -m tests.deep.hostile --seconds 60`.

Slow readers, slow senders of heads and of bodies, and pipeliners that never read hold a thousand connections to one
gateway; whoever is turned away comes back. Beside them a normal client asks for profiles at a steady rate, from another
address. Then a few of each kind alone show what one such connection costs.

Bounds: the normal client's p99 under 100 ms at 100 requests/s; memory at most 100 MB above rest; at most 4 MB for one
hostile connection; no answer of the normal client wrong. The machine's own lateness is printed beside the latency: of a
busy machine the figures say little.
"""

import argparse
import asyncio
import contextlib
import itertools
import resource
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Self, TypeAlias

import psutil

from tests.live.load import Client, at, told
from tests.live.platform import Platform, seeded
from tests.servers import LOOPBACK

ENEMY = "127.0.0.2"
P99_MS = 100.0
MORE_MB = 100.0
EACH_MB = 4.0
RATE = 100.0
BACK_SECONDS = 2.0
FEW = 10  # of a kind, to see what one costs
LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
SEARCH = b"GET /api/v1/films?page_size=100 HTTP/1.1\r\nHost: a\r\n\r\n"


class Enemy:
    """One connection, with as little of a buffer as the kernel allows."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        self._socket.bind((ENEMY, 0))

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().sock_connect(self._socket, (LOOPBACK, self._port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def hear(self, size: int) -> None:
        if not await asyncio.get_running_loop().sock_recv(self._socket, size):
            raise ConnectionResetError


Behaviour: TypeAlias = Callable[[Enemy], Awaitable[None]]


async def read_slowly(enemy: Enemy) -> None:
    await enemy.say(LARGE)
    while True:
        await enemy.hear(256)
        await asyncio.sleep(1.0)


async def pipeline(enemy: Enemy) -> None:
    """Ask for large answers and take none."""
    while True:
        await enemy.say(LARGE * 20)
        await asyncio.sleep(0.5)


async def pipeline_small(enemy: Enemy) -> None:
    while True:
        await enemy.say(SEARCH * 200)
        await asyncio.sleep(0.5)


async def pipeline_and_read(enemy: Enemy) -> None:
    """Take just so much that nobody calls it too slow."""
    await enemy.say(LARGE * 30)
    while True:
        await enemy.hear(2_048)
        await asyncio.sleep(0.1)


async def send_head_slowly(enemy: Enemy) -> None:
    await enemy.say(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    while True:
        await enemy.say(b"x")
        await asyncio.sleep(1.0)


async def hold_a_wide_head(enemy: Enemy) -> None:
    await enemy.say(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 60_000)
    await enemy.hear(1)


async def send_body_slowly(enemy: Enemy) -> None:
    await enemy.say(b"POST /v1/films HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await enemy.say(b"x" * 100)
        await asyncio.sleep(1.0)


async def send_endless_chunks(enemy: Enemy) -> None:
    await enemy.say(b"POST /v1/films HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await enemy.say(b"1\r\nx\r\n" * 1_000)
        await asyncio.sleep(0.5)


async def stay(enemy: Enemy) -> None:
    await enemy.hear(1)


KINDS: dict[str, Behaviour] = {
    behaviour.__name__: behaviour
    for behaviour in (
        read_slowly,
        pipeline,
        pipeline_small,
        pipeline_and_read,
        send_head_slowly,
        hold_a_wide_head,
        send_body_slowly,
        send_endless_chunks,
        stay,
    )
}


@contextlib.asynccontextmanager
async def besieged(port: int, size: int, kinds: list[str], ends: Counter[str]) -> AsyncIterator[None]:
    """Hold so many hostile connections; who is turned away comes back a moment later."""

    async def keep(kind: str) -> None:
        while True:
            try:
                async with Enemy(port) as enemy:
                    await KINDS[kind](enemy)
            except OSError:
                ends[kind] += 1
            await asyncio.sleep(BACK_SECONDS)

    tasks = [
        asyncio.create_task(keep(kind)) for kind, _ in zip(itertools.cycle(kinds), range(size), strict=False)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Memory:
    """Watch how much a process holds at most."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.rest = self.now()
        self.most = self.rest

    def now(self) -> float:
        return float(self._process.memory_info().rss) / 1_048_576

    async def watch(self, seconds: float) -> float:
        """Return the most above rest in megabytes, over so long."""
        self.most = self.now()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.most = max(self.most, self.now())
            await asyncio.sleep(0.05)
        return self.most - self.rest


def profiles(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"/api/profile/user{(123, 456)[number % 2]}"


async def siege(platform: Platform, size: int, seconds: float) -> list[str]:
    """Return what is out of bounds while a thousand are there."""
    client, ends = Client(platform.port), Counter[str]()
    await client.load(profiles(300), 100)  # both are kept from here on
    memory = Memory(platform["gateway"].pid)
    async with besieged(platform.port, size, list(KINDS), ends):
        await asyncio.sleep(min(5.0, seconds / 4))  # until all are there
        watching = asyncio.create_task(memory.watch(seconds))
        shots = await client.load(profiles(int(RATE * seconds)), RATE)
        more = await watching
        held = platform["gateway"].connections()
    client.close()
    p99 = at(sorted(shot.seconds for shot in shots), 99)
    wrong = Counter(shot.status for shot in shots if shot.status != 200)
    print(told(f"beside {size} ({held} connections)", shots))
    print(f"  memory {memory.rest:.0f} MB at rest, at most {more:.0f} MB more; turned away: {dict(ends)}")
    return [
        *([f"p99 {p99} ms"] if p99 >= P99_MS else []),
        *([f"{more:.0f} MB above rest"] if more > MORE_MB else []),
        *([f"answers other than 200: {dict(wrong)}"] if wrong else []),
    ]


async def cost(platform: Platform, kind: str, seconds: float) -> list[str]:
    """Return what is out of bounds of what one connection of a kind costs."""
    memory = Memory(platform["gateway"].pid)
    async with besieged(platform.port, FEW, [kind], Counter()):
        each = await memory.watch(seconds) / FEW
    print(f"  one {kind}: {each:.2f} MB")
    return [f"{kind} costs {each:.1f} MB"] if each > EACH_MB else []


async def measured(platform: Platform, size: int, seconds: float) -> list[str]:
    beyond = [fault for kind in KINDS for fault in await cost(platform, kind, seconds / 3 / len(KINDS))]
    return beyond + await siege(platform, size, seconds * 2 / 3)


def main() -> int:
    """Measure, print, and return 1 if anything is out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="how long in all")
    parser.add_argument("--size", type=int, default=1_000, help="hostile connections at once")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with Platform(path, seeded(path), GATEWAY_PROFILE_TTL_S="3600") as platform:
            platform.start()
            beyond = asyncio.run(measured(platform, given.size, given.seconds))
    print("out of bounds: " + "; ".join(beyond) if beyond else "within bounds")
    return bool(beyond)


if __name__ == "__main__":
    sys.exit(main())
