"""Clients that go away, and a stop while they are there: nothing is left behind, nothing is cut off."""

import asyncio
import random
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.live.load import Client, Shot, told
from tests.live.platform import ALL, PATIENT, Platform, until
from tests.live.stub import Stub
from tests.servers import LOOPBACK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ABRUPT = struct.pack("ii", 1, 0)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(tmp_path, GATEWAY_RATE_LIMIT="0", **PATIENT) as platform:
        yield platform


@pytest.fixture
def stub(platform: Platform) -> Iterator[Stub]:
    with Stub(platform.ports) as stub:
        yield stub


async def once(port: int, path: str) -> Shot:
    """Ask on a connection of its own."""
    client = Client(port)
    shot = await client.get(path)
    client.close()
    return shot


async def vanish(port: int, rng: random.Random, number: int) -> str:
    """Ask and go away after 0 to 30 ms, by a farewell or by a reset, on a quarter in the middle of the head."""
    loop = asyncio.get_running_loop()
    who = number if rng.random() < 0.5 else number % 7  # half of them share a flight with others
    request = f"GET /api/profile/u{who} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    line = socket.socket()
    line.setblocking(False)
    try:
        await loop.sock_connect(line, (LOOPBACK, port))
        await loop.sock_sendall(
            line, request[: rng.randrange(len(request))] if rng.random() < 0.25 else request
        )
        await asyncio.sleep(rng.random() * 0.03)
        if rng.random() < 0.5:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
    except OSError as error:
        return type(error).__name__
    finally:
        line.close()
    return "gone"


@pytest.mark.live
async def test_a13_x1_clients_that_vanish_leave_nothing_behind(
    platform: Platform, stub: Stub, deep: bool
) -> None:
    """Issue 3: after 10,000 disconnects all counts are at rest and descriptors at base line; it still answers."""
    count, seed = 10_000 if deep else 2_000, 20_260_105
    platform.start("gateway")
    gateway = platform["gateway"]
    stub.tell((0.002, 0.04))
    rest = platform.runtime()
    base = gateway.descriptors() - gateway.connections()
    ends: Counter[str] = Counter()

    async def clients(numbers: Iterator[int], rng: random.Random) -> None:
        for number in numbers:
            ends[await vanish(platform.port, rng, number)] += 1

    began = time.monotonic()
    # First so few at once that most reach the upstreams, then more than the gateway can even accept in time.
    for width, numbers in ((12, iter(range(count * 3 // 4))), (150, iter(range(count * 3 // 4, count)))):
        await asyncio.gather(*(clients(numbers, random.Random(seed + number)) for number in range(width)))
    print(f"\nseed {seed}: {dict(ends)} in {time.monotonic() - began:.1f} s; upstreams saw {stub.counts()}")
    print(f"  before {rest}, just after {platform.runtime()}")
    until(lambda: platform.runtime() == rest, platform.runtime)
    until(lambda: gateway.descriptors() <= base, lambda: (base, gateway.descriptors()))
    stub.tell()
    shot = await once(platform.port, "/api/profile/after")

    until(lambda: platform.metrics()["http_active_requests"] == 0)  # a request ends behind its answer
    metrics = platform.metrics()
    print(f"  after {platform.runtime()}, descriptors {base} -> {gateway.descriptors()}", shot.parts)
    assert ends.keys() == {"gone"}
    assert set(rest.values()) == {0}
    assert shot.whole
    # A client that went is no failure of the upstream: nothing was learnt against it.
    for name in ("user_service", "order_service", "product_service"):
        assert metrics[f'circuit_breaker_state{{service_name="{name}"}}'] == 0


@pytest.mark.live
async def test_x6_a_stop_under_load_cuts_nobody_off(platform: Platform, stub: Stub) -> None:
    """X6 and contract 17: SIGTERM; ready turns 503, what was asked is answered, exit code 0."""
    platform.start("gateway")
    gateway = platform["gateway"]
    stub.tell((0.03, 0.06))
    client, watcher, states = Client(platform.port), Client(platform.port), list[tuple[float, int]]()
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def watch() -> None:
        while not states or states[-1][1] == 200:  # its connection stays until its next answer
            shot = await watcher.get("/health/ready")
            states.append((loop.time() - began, shot.status))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    shooting = asyncio.create_task(
        client.load(
            (f"/api/profile/s{number}" for number in range(600)), 200, stop=lambda: gateway.code is not None
        )
    )
    await asyncio.sleep(1.0)
    signalled = loop.time()
    told_at = signalled - began
    gateway.signal(signal.SIGTERM)
    code = await asyncio.to_thread(gateway.wait)
    stopped_after = loop.time() - began - told_at
    shots = await shooting
    await watching
    client.close()
    watcher.close()

    asked = [shot for shot in shots if shot.sent < signalled]
    unanswered = [shot for shot in asked if shot.status == 0]
    print(told("\nstopped", shots), f"took {stopped_after:.2f} s;", [status for _, status in states[-15:]])
    lost = [shot.at - told_at for shot in shots if shot.status == 0]
    print(f"  first request without an answer {min(lost):.3f} s after the signal")
    assert code == 0
    assert stopped_after < 9.0  # before the grace ends
    assert asked
    assert unanswered == []
    assert {shot.status for shot in shots} <= {200, 0}
    assert {status for when, status in states if when < told_at} == {200}
    assert 503 in {status for when, status in states if when > told_at}


async def test_x6_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """X6: whoever signals twice does not wait for the request that hangs."""
    slow = {"GATEWAY_DEADLINE_MS": 9000, "GATEWAY_ATTEMPT_TIMEOUT_MS": 4000}
    with Platform(tmp_path, **slow) as platform, Stub(platform.ports) as stub:
        platform.start("gateway")
        stub.tell(users="hang")
        asking = asyncio.create_task(once(platform.port, "/api/profile/one"))
        await asyncio.to_thread(until, lambda: stub.counts()["users"].requests >= 1)
        gateway = platform["gateway"]
        gateway.signal(signal.SIGTERM)
        await asyncio.sleep(1.0)
        running = gateway.code is None
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        code = await asyncio.to_thread(gateway.wait)
        seconds = time.monotonic() - began
        shot = await asking

    print(f"\nsecond signal: exit {code} after {seconds:.2f} s, the open request got {shot.status}")
    assert running
    assert seconds < 6.0  # the grace would be over two seconds later
    assert code == 0


def test_x6_workers_stop_together_and_count_together(tmp_path: Path, demo: str) -> None:
    """Contract 15 and 17: one scrape sums over workers; SIGTERM ends all of them with 0, no orphan."""
    with Platform(tmp_path, demo, GATEWAY_WORKERS=2, **PATIENT) as platform:
        platform.start()
        pids: list[int] = []
        while len(set(pids)) < 2 and len(pids) < 2_000:  # the kernel hands connections out as it likes
            pids.append(platform.get("/api/system/info").json()["process"]["pid"])
        series = 'http_requests_total{endpoint="/api/system/info",method="GET",status="200"}'
        until(lambda: platform.metrics()[series] == len(pids))  # a request is counted behind its answer
        counted = {platform.metrics()[series] for _ in range(20)}
        gateway = platform["gateway"]
        children = psutil.Process(gateway.pid).children(recursive=True)
        gateway.signal(signal.SIGTERM)
        code = gateway.wait()
        until(lambda: not any(child.is_running() for child in children))

    assert len(set(pids)) == 2
    assert counted == {len(pids)}
    assert code == 0


def asks(worker: psutil.Process, port: int) -> bool:
    """Tell whether a worker has a connection to a service; that of a client whom it has answered may be there still."""
    return any(line.raddr[-1:] == (port,) for line in worker.net_connections())


async def test_a_worker_that_dies_is_replaced_and_counted_no_more(tmp_path: Path) -> None:
    """Contract 15: `http_active_requests` returns to zero, also when a worker was killed with a request under way."""
    with Platform(tmp_path, GATEWAY_WORKERS=2, **PATIENT) as platform, Stub(platform.ports) as stub:
        platform.start("gateway")
        stub.tell(users="hang")
        asking = asyncio.create_task(once(platform.port, "/api/profile/one"))
        await asyncio.to_thread(until, lambda: platform.metrics()["http_active_requests"] == 1.0)
        workers = psutil.Process(platform["gateway"].pid).children()
        busy = next(one for one in workers if asks(one, platform.ports["users"]))
        busy.kill()
        shot = await asking
        stub.tell()
        await asyncio.to_thread(until, lambda: platform.metrics()["http_active_requests"] == 0.0)
        shots = [await once(platform.port, f"/api/profile/u{number}") for number in range(20)]

    assert shot.status == 0
    assert {one.status for one in shots} == {200}


def test_x6_a_stop_of_every_process_ends_with_0(tmp_path: Path, demo: str) -> None:
    """Contract 17: each of the four, with idle connections of the gateway open to it."""
    with Platform(tmp_path, demo, **PATIENT) as platform:
        platform.start()
        assert platform.get("/api/profile/user123").status == 200
        codes: dict[str, int] = {}
        for name in ALL:
            platform[name].signal(signal.SIGTERM)
            codes[name] = platform[name].wait()

    assert codes == dict.fromkeys(ALL, 0)
