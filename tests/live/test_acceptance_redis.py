"""Redis that dies, hangs and returns under load: nobody notices but the operators."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.live.load import Client, Shot, told
from tests.live.platform import PATIENT, Platform, prepare, until
from tests.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

BUSY = 0.02
REDIS_TIMEOUT = 0.02


@pytest.fixture
def platform(tmp_path: Path, demo: str, valkey: Server) -> Iterator[Platform]:
    with Platform(tmp_path, demo, GATEWAY_RATE_LIMIT="0", REDIS_URL=valkey.url, **PATIENT) as platform:
        platform.start()
        until(lambda: connected(platform))
        yield platform


def connected(platform: Platform) -> bool:
    found: bool = platform.get("/api/system/info").json()["api_gateway"]["redis_connected"]
    return found


def few(count: int) -> list[str]:
    """Return profiles of a few hundred users, so that hits and misses mix."""
    rng = random.Random(3)
    return [f"/api/profile/user{1000 + rng.randrange(300)}" for _ in range(count)]


def judged(shots: list[Shot]) -> list[Shot]:
    stalls = [shot.at for shot in shots if shot.late > BUSY]
    return [shot for shot in shots if not any(abs(shot.at - stall) < 0.3 for stall in stalls)]


async def loaded(platform: Platform, seconds: float, meanwhile: Callable[[], Awaitable[None]]) -> list[Shot]:
    client = Client(platform.port)
    await client.load(few(100), 100)
    shooting = asyncio.create_task(client.load(few(int(100 * seconds)), 100))
    await meanwhile()
    shots = await shooting
    client.close()
    return shots


@pytest.mark.live
async def test_k1_k2_redis_killed_and_started_again(platform: Platform, valkey: Server) -> None:
    """Issue 3: no 5xx; one Redis time-out once; both cache types in the metrics; used again within 2 s."""
    seen: list[str] = []

    async def outage() -> None:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(valkey.kill)
        await asyncio.sleep(0.5)
        seen.append((await asyncio.to_thread(platform.get, "/api/cache/stats")).json()["status"])
        await asyncio.sleep(1.0)
        await asyncio.to_thread(valkey.start)
        await asyncio.to_thread(until, lambda: connected(platform))
        seen.append((await asyncio.to_thread(platform.get, "/api/cache/stats")).json()["status"])

    shots = await loaded(platform, 4.5, outage)

    fair, metrics = judged(shots), platform.metrics()
    print(told("\nredis killed", shots))
    assert {shot.status for shot in shots} == {200}
    assert all(shot.whole for shot in fair)
    assert seen == ["error", "connected"]
    for tier in ("redis", "memory"):
        assert metrics[f'cache_misses_total{{cache_type="{tier}"}}'] > 0
    assert metrics['cache_hits_total{cache_type="memory"}'] > 0
    assert metrics['service_errors_total{service_name="redis"}'] > 0


def test_redis_keeps_answers_over_a_restart_of_the_gateway(platform: Platform) -> None:
    """Contract 9 and 15: what one process kept another uses, and it counts as a hit of Redis."""
    first = platform.get("/api/profile/user123").json()
    until(lambda: platform.get("/api/cache/stats").json()["stats"]["cached_profiles"] == 1)
    platform["gateway"].kill()
    platform["gateway"].start()
    until(lambda: connected(platform))

    again = platform.get("/api/profile/user123").json()

    until(lambda: platform.metrics()['cache_hits_total{cache_type="redis"}'] == 1)
    metrics = platform.metrics()
    assert again["metadata"]["cached"]
    assert again["metadata"]["aggregated_at"] == first["metadata"]["aggregated_at"]
    assert metrics['cache_hits_total{cache_type="memory"}'] == 0


@pytest.mark.live
async def test_k1_redis_hangs(platform: Platform, valkey: Server) -> None:
    """K1: a hung Redis costs the calls under way one time-out, once; later ones nothing."""

    async def hang() -> None:
        await asyncio.sleep(1.0)
        valkey.pause()
        await asyncio.sleep(1.5)
        valkey.resume()
        await asyncio.to_thread(until, lambda: connected(platform))

    shots = await loaded(platform, 4.5, hang)

    fair = judged(shots)
    hits = [shot for shot in fair if "user=cached" in shot.parts]
    waited = [shot for shot in hits if shot.server >= 0.8 * REDIS_TIMEOUT]
    print(
        told("\nredis stopped", shots), told("\n  hits", hits), f"\n  hits that waited for it: {len(waited)}"
    )
    assert {shot.status for shot in shots} == {200}
    assert all(shot.whole for shot in fair)
    assert len(hits) > 100
    # Those that were under way in the 20 ms before it was given up, at 100 a second: two or three.
    assert len(waited) <= 8
    assert (
        max((shot.at for shot in waited), default=0.0) - min((shot.at for shot in waited), default=0.0) < 0.2
    )


@pytest.mark.live
def test_k1_redis_away_at_the_start(tmp_path: Path, demo: str, valkey: Server) -> None:
    """Contract 5: Redis away at start fails no request; it is used once it answers."""
    valkey.kill()
    with Platform(tmp_path, demo, REDIS_URL=valkey.url, **PATIENT) as platform:
        platform.start()
        answers = [platform.get("/api/profile/user123") for _ in range(2)]
        health = platform.get("/health").json()
        valkey.start()
        until(lambda: connected(platform))
        again = platform.get("/api/cache/stats").json()

    assert [one.json()["metadata"]["cached"] for one in answers] == [False, True]
    assert health["status"] == "degraded"
    assert health["components"]["redis"] == {
        "status": "unhealthy",
        "detail": "not answering; memory cache in use",
    }
    assert health["cache"] == {"type": "in_memory", "status": "degraded"}
    assert again["status"] == "connected"


def test_the_full_form_runs_on_postgresql_and_redis(
    tmp_path: Path, database_url: str, valkey: Server
) -> None:
    """Contract 1.1: PostgreSQL and Redis in place of the embedded form; the API is identical."""
    prepare(database_url, tmp_path)
    with Platform(tmp_path, database_url, REDIS_URL=valkey.url, **PATIENT) as platform:
        platform.start()
        until(lambda: connected(platform))
        first, second = platform.get("/api/profile/user456"), platform.get("/api/profile/user456")
        health, info = platform.get("/health").json(), platform.get("/api/system/info").json()
        until(lambda: platform.get("/api/cache/stats").json()["stats"]["cached_profiles"] == 1)
        stats = platform.get("/api/cache/stats").json()

    assert first.json()["products"].keys() == {"prod1"}
    assert first.json()["user"]["full_name"] == "Анна Смирнова"
    assert first.json()["orders"][0]["total_amount"] == 75.25
    assert second.json()["metadata"]["cached"]
    assert second.json()["metadata"]["aggregated_at"] == first.json()["metadata"]["aggregated_at"]
    # This platform has no index, and the services beside the first three are not started.
    assert {name for name, state in health["services"].items() if state == "healthy"} >= {
        "user_service",
        "order_service",
        "product_service",
        "redis",
    }
    assert health["services"]["redis"] == "healthy"
    assert health["cache"] == {"type": "redis", "status": "healthy"}
    assert info["api_gateway"]["cache_type"] == "redis"
    assert (stats["cache_type"], stats["status"]) == ("redis", "connected")
    assert stats["stats"].keys() == {
        "cached_profiles",
        "used_memory_human",
        "connected_clients",
        "instantaneous_ops_per_sec",
        "hit_rate",
    }
