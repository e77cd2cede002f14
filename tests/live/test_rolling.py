"""A gateway that is renewed while clients ask: SIGHUP replaces each worker once its successor serves."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import psutil
import pytest

from tests.live.load import Client, told
from tests.live.platform import PATIENT, Platform

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(400)]

RATE = 300.0  # a second
PATHS = ("/api/profile/user123", "/api/profile/user456", "/health/live")
REPLACED_SECONDS = 60.0  # on a machine with other things to do


def workers(parent: int) -> set[int]:
    """Return the processes that serve."""
    found = set()
    for one in psutil.Process(parent).children():
        with suppress(psutil.NoSuchProcess):  # which one that has ended is, too
            found |= {one.pid} if "spawn_main" in " ".join(one.cmdline()) else set()
    return found


async def replaced(parent: int, before: set[int]) -> None:
    """Wait until two others serve."""
    end = time.monotonic() + REPLACED_SECONDS
    while before & (now := workers(parent)) or len(now) < 2:
        assert time.monotonic() < end, now
        await asyncio.sleep(0.1)


def paths() -> Iterator[str]:
    return (PATHS[number % len(PATHS)] for number in count())


@pytest.mark.long
async def test_f2_both_workers_are_replaced_under_300_requests_a_second_and_none_fails(
    tmp_path: Path, demo: str
) -> None:
    """Issue 15: not one error, reset or refusal, whatever moment a worker goes at; two others serve afterwards."""
    with Platform(tmp_path, demo, GATEWAY_WORKERS=2, GATEWAY_RATE_LIMIT=0, **PATIENT) as platform:
        platform.start()
        gateway = platform["gateway"].pid
        client, before, done = Client(platform.port), workers(gateway), asyncio.Event()
        loading = asyncio.create_task(client.load(paths(), RATE, stop=done.is_set))
        await asyncio.sleep(1.0)
        platform["gateway"].signal(signal.SIGHUP)
        await replaced(gateway, before)
        await asyncio.sleep(1.0)
        done.set()
        shots = await loading
        client.close()

    print(told("rolling", shots))
    assert Counter(shot.status for shot in shots) == {200: len(shots)}
    assert len(shots) > RATE


@pytest.mark.long
async def test_metrics_are_the_sum_of_workers_that_come_and_go(tmp_path: Path, demo: str) -> None:
    """Contract 15: one scrape shows all, also what workers had counted that were replaced since."""
    with Platform(tmp_path, demo, GATEWAY_WORKERS=2, **PATIENT) as platform:
        platform.start()
        gateway = platform["gateway"].pid
        before = workers(gateway)
        for _ in range(10):
            platform.get("/api/profile/user123")
        platform["gateway"].signal(signal.SIGHUP)
        await replaced(gateway, before)
        for _ in range(10):
            platform.get("/api/profile/user123")
        counted = platform.metrics()

    series = 'http_requests_total{endpoint="/api/profile/{user_id}",method="GET",status="200"}'
    assert counted[series] == 20
    assert counted["http_active_requests"] == 0
    assert len([name for name in counted if name.startswith("gateway_build_info")]) == 1
