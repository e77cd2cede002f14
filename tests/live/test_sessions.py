"""Sessions of two gateways over one Redis and one provider, all of them real; and Redis lost."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stagedoor._cache.redis import RedisServer
from stagedoor._clock import SystemClock
from stagedoor._guards.sessions.browsers import mark_of
from tests import servers
from tests.servers import Server
from tests.stagedoor.face.sessions.browser import COOKIE, LOGIN, Browser, Visited, opened
from tests.stagedoor.face.sessions.provider import Provider

pytestmark = [pytest.mark.xdist_group("sessions"), pytest.mark.live]
KEY = "a" * 43


class Pair:
    """Two gateways, their provider, and a client of their Redis."""

    def __init__(self, provider: Provider, one: Visited, two: Visited, redis: RedisServer) -> None:
        self.provider = provider
        self.one = one
        self.two = two
        self.redis = redis

    async def logged_in(self, subject: str = "ann") -> tuple[Browser, Browser]:
        """Log a browser in at the first gateway; return it, and the same one at the second."""
        browser, same = self.one.browser(self.provider), self.two.browser(self.provider)
        answer = await browser.login(subject)
        assert answer.status == 303, answer
        same.jar = browser.jar
        return browser, same

    def key(self, browser: Browser, kind: str = "session") -> bytes:
        """Return where a session lies."""
        return f"shop#web#{kind}:{mark_of(browser.jar[COOKIE].encode()).hex()}".encode()

    async def command(self, *words: bytes | str | int) -> Any:
        """Ask Redis anything."""
        if not self.redis.connected:
            await self.redis.connect()
        return await self.redis.command(*words)


@pytest.fixture
async def pair(valkey: Server) -> AsyncIterator[Pair]:
    """Give two gateways that are open."""
    provider, redis = Provider(), RedisServer(valkey.url, prefix="shop")
    async with provider.serving(), _opened(provider, valkey.url) as one, _opened(provider, valkey.url) as two:
        yield Pair(provider, one, two, redis)
        await redis.aclose()


@asynccontextmanager
async def _opened(provider: Provider, url: str) -> AsyncIterator[Visited]:
    async with opened(provider, clock=SystemClock(), STORE=url, KEY=KEY) as shop:
        yield shop


async def statuses(*browsers: Browser, target: str = "/me") -> list[int]:
    return [(await one.get(target)).status for one in browsers]


async def again(ask: Callable[[], Awaitable[int]], wanted: int, seconds: float = 40.0) -> int:
    """Ask until it is as wanted, and return what it was last."""
    began = time.monotonic()
    while (found := await ask()) != wanted and time.monotonic() < began + seconds:  # noqa: ASYNC110 - others do it
        await asyncio.sleep(0.02)
    return found


async def test_a_session_is_one_of_all_gateways(pair: Pair) -> None:
    """W1, W10: made at one, used at the other, and over at both when it is logged out at either."""
    browser, same = await pair.logged_in()
    copy = dict(browser.jar)
    before = await statuses(browser, same)
    await same.post("/auth/logout")
    browser.jar = same.jar = copy
    after = await statuses(browser, same)

    assert (before, after) == ([200, 200], [401, 401])


async def test_a_login_is_begun_at_one_gateway_and_finished_once_at_another(pair: Pair) -> None:
    """W3: what was finished at one is finished at all."""
    browser, other = pair.one.browser(pair.provider), pair.two.browser(pair.provider)
    target = await browser.begin("ann")
    cookie = browser.jar[LOGIN]
    other.jar = {LOGIN: cookie}
    first = await other.get(target, site="cross-site")
    second = await browser.get(target, site="cross-site")

    assert (first.status, second.status) == (303, 400)
    assert pair.provider.count("authorization_code") == 1


async def test_redis_holds_nothing_that_can_be_read(pair: Pair) -> None:
    """W1: no id, no token, no name in any key or value; and each has an end."""
    browser, same = await pair.logged_in("ann@shop.example")
    await statuses(browser, same)
    keys = await pair.command("KEYS", "*")
    values = [await pair.command("HVALS" if b"#session:" in key else "GET", key) for key in keys]
    ends = [await pair.command("PTTL", key) for key in keys]
    raw = repr((keys, values)).encode()

    assert len(keys) == 2  # the session, and that its login was finished
    assert all(0 < one <= 43_200_000 for one in ends)
    for secret in (
        browser.jar[COOKIE].encode(),
        b"ann@",
        b"eyJ",
        *map(str.encode, pair.provider.refresh_tokens),
    ):
        assert secret not in raw


async def test_bytes_of_another_session_open_for_nobody(pair: Pair) -> None:
    """W1, W7: who can write Redis can end a session, and not become somebody."""
    ann, _ = await pair.logged_in("ann")
    bob, _ = await pair.logged_in("bob")
    mine, other = pair.key(ann), pair.key(bob)
    data = await pair.command("HGET", other, "data")
    await pair.command("HSET", mine, "data", data)

    assert await statuses(ann, bob) == [401, 200]


async def test_a_session_ends_in_redis_too(pair: Pair) -> None:
    """W6: the idle time is that of Redis, and its lifetime is never passed."""
    browser, same = await pair.logged_in()
    key = pair.key(browser)
    await pair.command("PEXPIRE", key, 60_000)
    await statuses(same)
    used = await pair.command("PTTL", key)
    soon = await pair.command("HGET", key, "until")
    await pair.command("HSET", key, "until", str(int(soon) - 43_200_000 + 30_000))
    await statuses(browser)
    last = await pair.command("PTTL", key)
    await pair.command("HSET", key, "until", "1")

    assert used > 1_700_000
    assert last <= 30_000
    assert await statuses(browser, same) == [401, 401]


async def test_fifty_at_once_at_two_gateways_cause_one_renewal(pair: Pair) -> None:
    """W8: a lock in Redis; who has not got it takes what the other has got."""
    browser, same = await pair.logged_in()
    await statuses(browser, same)  # both are connected
    await _age(pair, browser)
    pair.provider.gate = asyncio.Event()
    asked = [one.get("/orders") for one in (browser, same) for _ in range(25)]
    asyncio.get_running_loop().call_later(0.15, pair.provider.gate.set)
    answers = await asyncio.gather(*asked)
    tokens = {one["authorization"] for shop in (pair.one, pair.two) for one in shop.services["orders"].seen}

    assert {one.status for one in answers} == {200}
    assert pair.provider.count("refresh_token") == 1
    assert len(tokens) == 1
    assert await pair.command("EXISTS", pair.key(browser, "lock")) == 0


async def _age(pair: Pair, browser: Browser) -> None:
    """Let a session be as it is when its access token has ended."""
    written = int(await pair.command("HGET", pair.key(browser), "written"))
    await pair.command("HSET", pair.key(browser), "written", str(written - 301_000))


async def test_a_token_is_renewed_where_the_clock_of_redis_was_set_back(pair: Pair) -> None:
    """W8: written in an hour, as it seems, it would be sent for an hour after its end, and be refused each time."""
    browser, same = await pair.logged_in()
    written = int(await pair.command("HGET", pair.key(browser), "written"))
    await pair.command("HSET", pair.key(browser), "written", str(written + 3_600_000))
    answers = await statuses(browser, same, browser, target="/orders")

    assert answers == [200, 200, 200]
    assert pair.provider.count("refresh_token") == 1


async def test_a_lock_of_a_gateway_that_died_ends_by_itself(pair: Pair) -> None:
    """W8: those that need no token go on meanwhile; then somebody else renews it."""
    browser, same = await pair.logged_in()
    await _age(pair, browser)
    await pair.command("SET", pair.key(browser, "lock"), "dead", "PX", 300)
    answers = await asyncio.gather(*[one.get("/orders") for one in (browser, same) for _ in range(5)])

    assert {one.status for one in answers} == {200}
    assert pair.provider.count("refresh_token") == 1


async def test_a_lock_whose_answer_was_lost_is_that_of_who_asked_for_it(valkey: Server) -> None:
    """W8, W12: Redis took it and did not say so in time; its tokens would be renewed only when it ends, in 30 s."""
    provider, lossy = Provider(), Lossy(valkey.port, b"#lock:")
    async with provider.serving(), lossy.listening() as url, _opened(provider, url) as shop:
        pair = Pair(provider, shop, shop, RedisServer(valkey.url, prefix="shop"))
        browser, _ = await pair.logged_in()
        await _age(pair, browser)
        lossy.armed = True
        first = await _orders(browser)
        held = await pair.command("EXISTS", pair.key(browser, "lock"))
        began = time.monotonic()
        last = await again(lambda: _orders(browser), 200)
        took = time.monotonic() - began
        await pair.redis.aclose()

    assert (first, held, last) == (503, 1, 200)
    assert took < 15.0
    assert provider.count("refresh_token") == 1


class Lossy:
    """A way to Redis that loses the answer to a command that holds a word, once it is armed."""

    def __init__(self, port: int, word: bytes) -> None:
        self._port = port
        self._word = word
        self.armed = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen, and say where."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with server:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(_poured(theirs, writer))
        while sent := await reader.read(65_536):
            if self.armed and self._word in sent:
                self.armed = False
                back.cancel()
            ours.write(sent)
        back.cancel()
        ours.close()
        writer.close()


async def _poured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while said := await reader.read(65_536):
        writer.write(said)


async def test_a_refresh_token_that_two_have_used_ends_the_session_everywhere(pair: Pair) -> None:
    """W8, RFC 9700 4.14.2: the provider refuses it, and nobody asks again."""
    browser, same = await pair.logged_in()
    pair.provider.use(pair.provider.refresh_tokens[0])
    await _age(pair, browser)

    assert await statuses(browser, same) == [401, 401]
    assert pair.provider.count("refresh_token") == 1


async def paused(pair: Pair, valkey: Server) -> None:
    valkey.pause()


async def killed(pair: Pair, valkey: Server) -> None:
    await pair.command("SAVE")
    valkey.kill()


async def cut_off(pair: Pair, valkey: Server) -> None:
    await pair.command("CONFIG", "SET", "requirepass", "other")
    await pair.command("CLIENT", "KILL", "TYPE", "normal")


async def a_replica(pair: Pair, valkey: Server) -> None:
    await pair.command("REPLICAOF", "127.0.0.1", 1)


async def mended(valkey: Server, fault: object) -> None:
    """Bring it back as it was."""
    await asyncio.to_thread(valkey.resume)
    await asyncio.to_thread(valkey.start)
    if fault is cut_off:
        servers.ask(valkey.port, b'AUTH other\r\nCONFIG SET requirepass ""\r\n', 20.0)
        await asyncio.sleep(0.05)
    if fault is a_replica:
        servers.ask(valkey.port, b"REPLICAOF NO ONE\r\n", 20.0)


@pytest.mark.parametrize("fault", [paused, killed, cut_off, a_replica])
async def test_w12_a_redis_that_is_lost_logs_nobody_out(
    pair: Pair, valkey: Server, fault: Callable[[Pair, Server], Awaitable[None]]
) -> None:
    """W12: 503 for routes of sessions, others go on; the same cookie is good when it is back."""
    browser, same = await pair.logged_in()
    await statuses(browser, same)
    await fault(pair, valkey)
    began = time.monotonic()
    lost = await statuses(browser, same, browser, same)
    logout = await browser.post("/auth/logout")
    open_routes = await statuses(browser, same, target="/legacy/x")
    took = time.monotonic() - began
    await mended(valkey, fault)
    back = [await again(lambda one=one: _me(one), 200) for one in (browser, same)]  # type: ignore[misc]

    assert lost == [503] * 4
    assert (logout.status, logout.cookies) == (503, [])
    assert open_routes == [200, 200]
    assert took < 30.0
    assert back == [200, 200]


async def test_w12_a_replica_says_of_no_session_that_it_has_ended_and_health_tells(
    pair: Pair, valkey: Server
) -> None:
    """W12: health once asked what a replica answers, while every request with a session was 503."""
    browser, same = await pair.logged_in()
    await pair.command("DEL", pair.key(browser))  # as where it has not arrived yet
    await pair.command("REPLICAOF", "127.0.0.1", 1)
    lost = await statuses(browser, same)
    await asyncio.sleep(0.3)  # it asks again
    told = (await browser.get("/health")).json()["components"]["sessions web"]
    servers.ask(valkey.port, b"REPLICAOF NO ONE\r\n", 20.0)

    assert lost == [503, 503]
    assert told["status"] == "unhealthy"
    assert [await again(lambda one=one: _me(one), 401) for one in (browser, same)] == [401, 401]  # type: ignore[misc]


async def _me(browser: Browser) -> int:
    return (await browser.get("/me")).status


async def test_tokens_that_came_while_redis_was_lost_are_written_when_it_is_back(
    pair: Pair, valkey: Server
) -> None:
    """W8, W12: the refresh token is spent; without the next one the session would be over."""
    browser, same = await pair.logged_in()
    await _age(pair, browser)
    pair.provider.gate = asyncio.Event()
    asking = asyncio.create_task(browser.get("/orders"))
    await again(lambda: _asked(pair), 1)
    valkey.pause()
    pair.provider.gate.set()
    first = await asking
    await asyncio.to_thread(valkey.resume)
    back = [await again(lambda one=one: _orders(one), 200) for one in (browser, same)]  # type: ignore[misc]

    assert first.status in {200, 503}
    assert back == [200, 200]
    assert pair.provider.count("refresh_token") == 1


async def _asked(pair: Pair) -> int:
    return pair.provider.count("refresh_token")


async def _orders(browser: Browser) -> int:
    return (await browser.get("/orders")).status


async def test_nobody_becomes_somebody_else_while_redis_comes_and_goes(
    pair: Pair, valkey: Server, deep: bool
) -> None:
    """W7, K6: ten people at two gateways, clients that leave, and a Redis that hangs now and then."""
    people = [browser for n in range(10) for browser in await pair.logged_in(f"user{n}")]
    chance, wrong, right = random.Random(7), [], 0
    began, seconds = time.monotonic(), 45.0 if deep else 1.5
    while time.monotonic() < began + seconds or (right <= 100 and time.monotonic() < began + 60):
        asked = [chance.randrange(20) for _ in range(60)]
        asking = [asyncio.create_task(people[n].get(chance.choice(["/me", "/home"]))) for n in asked]
        if chance.random() < 0.2:
            valkey.pause()
            await asyncio.sleep(0.03)
            valkey.resume()
        for task in asking[:: chance.randrange(5, 20)]:
            task.cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for n, answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException) or answer.status == 503:
                continue
            right += 1
            if answer.status != 200 or f"user{n // 2}".encode() not in answer.body:
                wrong.append((n, answer))

    assert wrong == []
    assert right > 100
