"""The pool alone: who gets what comes free, and what it says about itself."""

import asyncio
import resource
from collections.abc import AsyncIterator

import pytest

from stagedoor._clock import SystemClock
from stagedoor._transports.connection import Connection
from stagedoor._transports.failures import PoolTimeout, translated
from stagedoor._transports.limits import Limits
from stagedoor._transports.pool import Origin, Pool, PoolOptions, PoolStatistics
from stagedoor.errors import Overloaded, UpstreamTimeout

FAR = float("inf")


async def open_pool(size: int) -> AsyncIterator[Pool]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    pool = Pool(
        Origin(host="127.0.0.1", port=port), PoolOptions(size=size, connect=5.0), Limits(), SystemClock()
    )
    yield pool
    await pool.aclose()
    listener.close()
    await asyncio.sleep(0.01)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """Give a pool with one place."""
    async for made in open_pool(1):
        yield made


async def waiting(pool: Pool, until: float = FAR) -> "asyncio.Task[Connection]":
    task = asyncio.ensure_future(pool.acquire(until))
    await asyncio.sleep(0)
    return task


async def test_a_connection_that_comes_back_goes_to_the_first_in_line(pool: Pool) -> None:
    held = await pool.acquire(FAR)
    first, second = await waiting(pool), await waiting(pool)

    pool.give_back(held)
    got = await first

    assert got is held
    assert not second.done()
    pool.give_back(got)
    assert await second is held


async def test_x1_who_is_cancelled_in_the_moment_of_getting_it_passes_it_on(pool: Pool) -> None:
    """X1: otherwise the place is lost for ever."""
    held = await pool.acquire(FAR)
    first, second = await waiting(pool), await waiting(pool)

    pool.give_back(held)
    first.cancel()

    assert await second is held
    assert first.cancelled()
    assert pool.statistics() == PoolStatistics(size=1, in_use=1, idle=0, waiting=0, opened=1)


async def test_a_place_that_comes_free_goes_to_the_first_in_line(pool: Pool) -> None:
    held = await pool.acquire(FAR)
    first = await waiting(pool)

    held.close()
    got = await first

    assert got is not held
    assert pool.statistics().opened == 2


async def test_a_place_passed_to_somebody_cancelled_is_passed_on(pool: Pool) -> None:
    held = await pool.acquire(FAR)
    first, second = await waiting(pool), await waiting(pool)

    held.close()
    first.cancel()

    assert (await second).closed is False
    assert pool.in_use() == 1


@pytest.mark.parametrize("others", [0, 1])
async def test_x1_a_connection_that_closes_in_the_moment_of_a_cancellation_is_not_kept(
    pool: Pool, others: int
) -> None:
    """X1: it lay among the idle ones, closed, and its place was counted twice."""
    held = await pool.acquire(FAR)
    first = await waiting(pool)
    rest = [await waiting(pool) for _ in range(others)]

    pool.give_back(held)
    held.close()
    first.cancel()
    got = [await one for one in rest]

    assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert [one.closed for one in got] == [False] * others
    assert pool.statistics() == PoolStatistics(size=1, in_use=others, idle=0, waiting=0, opened=1 + others)


async def test_nobody_waits_beyond_the_deadline(pool: Pool) -> None:
    held = await pool.acquire(FAR)

    with pytest.raises(PoolTimeout):
        await pool.acquire(SystemClock.now() + 0.02)

    assert pool.statistics().waiting == 0
    pool.give_back(held)
    assert repr(pool) == "<Pool 0 in use, 1 idle of 1, 0 waiting>"


async def test_a_fresh_connection_takes_the_place_of_an_idle_one(pool: Pool) -> None:
    held = await pool.acquire(FAR)
    pool.give_back(held)

    fresh = await pool.acquire(FAR, fresh=True)

    assert fresh is not held
    assert (held.closed, pool.in_use()) == (True, 1)


async def test_a_closed_pool_keeps_nothing(pool: Pool) -> None:
    held = await pool.acquire(FAR)
    await pool.aclose()

    pool.give_back(held)

    assert pool.statistics() == PoolStatistics(size=1, in_use=0, idle=0, waiting=0, opened=1)


async def test_c9_a_shortage_of_descriptors_is_ours_not_theirs(pool: Pool) -> None:
    """C9: it must not open the upstream's breaker."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="open files") as caught:
            await pool.acquire(FAR)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert type(translated("users.get", caught.value)) is Overloaded
    assert pool.in_use() == 0


async def test_a_connect_that_times_out_in_the_kernel_is_late_too() -> None:
    assert type(translated("users.get", TimeoutError(110, "timed out"))) is UpstreamTimeout
