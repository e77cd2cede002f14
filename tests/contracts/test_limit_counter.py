"""What every tally promises, on Redis and on the fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from stagedoor._cache.limit_counter import LimitCounter, SharedLimit
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.redis_limit_counter import RedisLimitCounter
from stagedoor._cache.server import StoreDown
from stagedoor.testing import ManualClock
from stagedoor.testing.limit_counter import FakeLimitCounter

TERMS = SharedLimit(requests=100, seconds=60)


@dataclass
class Bench:
    """Two processes that share a tally, and how time passes for it."""

    one: LimitCounter
    two: LimitCounter
    wait: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["fake", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "fake":
        clock = ManualClock()
        fake = FakeLimitCounter(clock)
        yield Bench(fake, fake.partner(), clock.advance)
        return
    servers = [RedisServer(request.getfixturevalue("valkey").url, prefix="test") for _ in range(2)]
    for server in servers:
        await server.invalidations(0)
    one, two = (
        RedisLimitCounter(server, prefix="test", member=name)
        for server, name in zip(servers, "ab", strict=True)
    )
    yield Bench(one, two, asyncio.sleep)
    for server in servers:
        await server.aclose()


async def test_what_was_spent_is_added_up(bench: Bench) -> None:
    """Per client, over both processes, in the order of the question."""
    await bench.one.sync({"a": 3, "b": 1}, TERMS)
    processes, told = await bench.two.sync({"b": 2, "a": 0, "c": 0}, TERMS)

    assert processes == 2
    assert [one.total for one in told] == [3, 3, 0]
    assert [one.granted for one in told] == [False, False, False]


async def test_one_is_granted_while_the_others_shares_still_fit(bench: Bench) -> None:
    """A hundred less the share of the other process, which is half of the reserve."""
    await bench.two.sync({}, TERMS)
    granted = [(await bench.one.sync({"a": 0}, TERMS, want=True))[1][0] for _ in range(99)]

    assert [one.granted for one in granted] == [True] * 98 + [False]
    assert [one.total for one in granted[-2:]] == [98, 98]


async def test_what_is_told_with_a_question_counts_before_it(bench: Bench) -> None:
    """A process alone gives out the limit exactly."""
    _, (first,) = await bench.one.sync({"a": 99}, TERMS, want=True)
    _, (second,) = await bench.one.sync({"a": 0}, TERMS, want=True)

    assert (first.granted, first.total) == (True, 100)
    assert (second.granted, second.total) == (False, 100)


async def test_a_request_counts_until_its_bucket_has_left_the_window(bench: Bench) -> None:
    """In any window, so a bucket longer than the window itself; `reset` says when."""
    terms = SharedLimit(requests=10, seconds=3)
    _, (told,) = await bench.one.sync({"a": 7}, terms)
    await bench.wait(2.2)
    _, (still,) = await bench.one.sync({"a": 0}, terms)
    await bench.wait(0.9)
    _, (over,) = await bench.one.sync({"a": 0}, terms)

    assert 3.0 < told.reset <= 3.06
    assert (still.total, over.total) == (7, 0)


async def test_a_refusal_says_when_enough_have_left_for_one_more(bench: Bench) -> None:
    """H11: what others told of late may stand above what is granted; the first bucket's leaving is not enough then."""
    terms = SharedLimit(requests=10, seconds=3)
    await bench.one.sync({"a": 1}, terms)
    await bench.wait(0.9)
    await bench.one.sync({"a": 10}, terms)
    _, (told,) = await bench.one.sync({"a": 0}, terms, want=True)

    assert (told.granted, told.total) == (False, 11)
    assert 2.3 < told.reset <= 3.06


async def test_limits_of_other_windows_are_counted_apart(bench: Bench) -> None:
    """Their buckets are of another width: a limit that an operator changes begins anew."""
    await bench.one.sync({"a": 7}, TERMS)
    _, (told,) = await bench.one.sync({"a": 0}, SharedLimit(requests=100, seconds=30))

    assert told.total == 0


async def test_nobody_is_a_question_too(bench: Bench) -> None:
    """It says that a process is there."""
    assert await bench.one.sync({}, TERMS) == (1, [])


async def test_redis_expires_what_counts_no_more(request: pytest.FixtureRequest) -> None:
    """The server's memory is bounded by who asked lately."""
    server = RedisServer(request.getfixturevalue("valkey").url, prefix="test")
    await server.invalidations(0)
    await RedisLimitCounter(server, prefix="test", member="a").sync({"a": 1}, TERMS)
    lives = [await server.command("PTTL", key) for key in ("test#rate:60:a", "test#rate:processes")]
    await server.aclose()

    assert 61_000 < lives[0] <= 62_000
    assert 0 < lives[1] <= 60_000


async def test_a_step_back_of_redis_clock_shuts_nobody_out(request: pytest.FixtureRequest) -> None:
    """T17: buckets of the future are dropped, and so are processes that asked there."""
    server = RedisServer(request.getfixturevalue("valkey").url, prefix="test")
    await server.invalidations(0)
    await server.command("HSET", "test#rate:60:a", "99999999999", "100")
    await server.command("ZADD", "test#rate:processes", "99999999999", "ghost")
    processes, (told,) = await RedisLimitCounter(server, prefix="test", member="a").sync(
        {"a": 0}, TERMS, want=True
    )
    await server.aclose()

    assert (processes, told.granted, told.total) == (1, True, 1)


async def test_a_tally_that_is_away_says_so(request: pytest.FixtureRequest) -> None:
    """Whoever asks decides alone then: no connection, and a connection to something else."""

    class Strange:
        async def command(self, *words: bytes | str | int) -> object:
            return b"PONG"

    fake = FakeLimitCounter(ManualClock())
    fake.fail()
    away: list[LimitCounter] = [
        fake,
        RedisLimitCounter(RedisServer("redis://x"), member="a"),
        RedisLimitCounter(Strange(), member="a"),
    ]
    for tally in away:
        with pytest.raises(StoreDown):
            await tally.sync({"a": 1}, TERMS)
