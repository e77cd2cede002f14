"""One limit over two gateways that share a Redis, and what is left of it when Redis hangs."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle

import pytest

from tests.live.platform import PATIENT, Platform, Reply, ask, until
from tests.servers import LOOPBACK, Server, flush

pytestmark = pytest.mark.xdist_group("throttle")

LIMIT = 60
OWN = 10  # of one route
SETTINGS: dict[str, str | float] = {
    "GATEWAY_RATE_LIMIT": f"{LIMIT}/300",
    "GATEWAY_RATE_LIMITS": f"/api/cache/stats={OWN}/300",
    "GATEWAY_TRUSTED_PROXIES": LOOPBACK,
    "GATEWAY_CORS_ORIGINS": "https://app.example.com",
    "REDIS_TIMEOUT_MS": "2000",  # a busy machine must not pass for a Redis that is away
    **PATIENT,
}


@pytest.fixture(scope="module")
def gateways(valkey_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Platform]]:
    """Run two gateways on one Redis; nothing stands behind them, for nothing is asked of it."""
    valkey_server.resume()
    valkey_server.start()
    flush(valkey_server)
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                Platform(tmp_path_factory.mktemp(name), REDIS_URL=valkey_server.url, **SETTINGS)
            )
            for name in ("one", "two")
        ]
        for platform in started:
            platform["gateway"].begin()
        for platform in started:
            platform["gateway"].until_ready()
        yield started


def storm(gateways: list[Platform], client: str, requests: int, path: str = "/nowhere") -> list[Reply]:
    """Let sixteen callers of one client ask both gateways in turn, all at once."""
    ports = cycle(platform.port for platform in gateways)
    headers = {"X-Forwarded-For": client, "Origin": "https://app.example.com"}
    with ThreadPoolExecutor(16) as callers:
        asked = [
            callers.submit(ask, port, path, headers=headers)
            for _, port in zip(range(requests), ports)  # noqa: B905 - one of them ends
        ]
        return [future.result() for future in asked]


def refusals(gateways: list[Platform]) -> float:
    return sum(one.metrics()["rate_limited_total"] for one in gateways)


def test_t17_two_processes_never_pass_more_than_the_limit(gateways: list[Platform]) -> None:
    """T17: sixteen callers at once; all but the share of one process is given out, and refusals say when."""
    before = refusals(gateways)
    replies = storm(gateways, "192.0.2.1", 200)
    refused = next(reply for reply in replies if reply.status == 429)
    counts = Counter(reply.status for reply in replies)

    assert set(counts) == {404, 429}
    assert LIMIT - 2 <= counts[404] <= LIMIT
    assert refused.headers["ratelimit-policy"] == f'"default";q={LIMIT};w=300'
    assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
    assert 1 <= int(refused.headers["retry-after"]) <= 305
    assert refused.headers["access-control-allow-origin"] == "https://app.example.com"
    assert refused.json()["type"] == "urn:problem-type:cinema:rate-limited"
    until(lambda: refusals(gateways) == before + counts[429], lambda: refusals(gateways))
    assert {ask(one.port, "/health/live").status for one in gateways} == {200}


def test_t17_two_processes_share_the_limit_of_a_route(gateways: list[Platform]) -> None:
    """T17, contract 16: counted apart; who hammers one route still has the rest of the common limit."""
    own = Counter(reply.status for reply in storm(gateways, "192.0.2.3", 60, "/api/cache/stats"))
    rest = Counter(reply.status for reply in storm(gateways, "192.0.2.3", 100))

    assert own == {200: OWN, 429: 60 - OWN}
    assert LIMIT - OWN - 3 <= rest[404] <= LIMIT - OWN


def passed(gateways: list[Platform], client: str) -> int:
    """Return how many of 150 requests were let through."""
    return Counter(reply.status for reply in storm(gateways, client, 150))[404]


def test_k1_a_redis_that_hangs_stops_nobody(gateways: list[Platform], valkey_server: Server) -> None:
    """K1, T17: each process then gives out the limit by itself, and no more."""
    valkey_server.pause()
    try:
        counts = Counter(reply.status for reply in storm(gateways, "192.0.2.2", 300))
    finally:
        valkey_server.resume()

    assert counts == {404: 2 * LIMIT, 429: 300 - 2 * LIMIT}


def test_t17_two_seconds_after_redis_is_back_the_limit_is_one_again(
    gateways: list[Platform], valkey_server: Server
) -> None:
    """T17, contract 17: for a new client, and for one whose outage was long enough to spend twice."""
    valkey_server.pause()
    try:
        storm(gateways, "192.0.2.4", 150)
    finally:
        valkey_server.resume()
    time.sleep(2.0)
    spent = passed(gateways, "192.0.2.4")

    assert spent == 0
    # On a busy machine it is later: each time by somebody new, who has spent nothing.
    clients = (f"192.0.2.{number}" for number in range(10, 250))
    until(lambda: LIMIT - 3 <= passed(gateways, next(clients)) <= LIMIT)
