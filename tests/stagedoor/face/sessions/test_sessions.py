"""Sessions in use: how long they last, whom they let in, and what others see of them."""

import asyncio

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stagedoor._guards.sessions.browsers import mark_of
from stagedoor._guards.sessions.sealing import Seal
from stagedoor._guards.sessions.store import MemorySessions
from stagedoor.testing import ManualClock
from tests.stagedoor.face.sessions.browser import COOKIE, opened, store_of
from tests.stagedoor.face.sessions.provider import Provider


async def test_a_session_ends_when_it_lies_unused() -> None:
    """W6: the idle time begins anew with each use."""
    provider = Provider(expires_in=None)
    async with opened(provider, IDLE="100", LIFETIME="1000") as shop:
        browser = shop.browser(provider)
        await browser.login()
        statuses = []
        for pause in (99, 99, 99, 100, 1):
            await shop.advance(pause)
            statuses.append((await browser.get("/me")).status)

        assert statuses == [200, 200, 200, 401, 401]


async def test_a_session_ends_however_much_it_is_used() -> None:
    """W6: at the end of its lifetime, which nothing makes longer."""
    provider = Provider(expires_in=30)
    async with opened(provider, IDLE="100", LIFETIME="300") as shop:
        browser = shop.browser(provider)
        await browser.login()
        statuses = []
        for _ in range(7):
            await shop.advance(49)
            statuses.append((await browser.get("/me")).status)

        assert statuses == [200] * 6 + [401]
        assert provider.count("refresh_token") == 6


async def test_who_asks_with_anything_but_a_session_is_401() -> None:
    """W2: with a challenge (RFC 9110 11.6.1), and nothing behind the gateway is asked."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        good = browser.jar[COOKIE]
        crooked = [
            "",
            "x",
            good[:-1],
            good + "x",
            good.swapcase(),
            "%00",
            "*" * 43,
            "\xff" * 43,
            "=" * 43,
            good[::-1],
        ]
        answers = [
            await browser.ask("/home", {"cookie": f"{COOKIE}={one}"}, cookies=False) for one in crooked
        ]
        others = [
            await browser.ask("/home", {"cookie": f"{name}={good}"}, cookies=False)
            for name in ("web", "__host-web")
        ]

        assert [one.status for one in (*answers, *others)] == [401] * 12
        assert {one.header("www-authenticate") for one in answers} == {'Cookie realm="shop"'}
        assert shop.services["catalog"].seen == []


async def test_one_subject_never_gets_anothers_answer() -> None:
    """T4, W7: the subject identifies the answer in every key, without `vary`; the same one shares it."""
    provider = Provider()
    async with opened(provider) as shop:
        ann, bob, again = (shop.browser(provider) for _ in range(3))
        for browser, subject in ((ann, "ann"), (bob, "bob"), (again, "ann")):
            await browser.login(subject)
        said = [(await one.get("/home")).json()["greeting"] for one in (ann, bob, again, bob)]
        answer = await again.get("/home")

        assert said == ["/greetings/ann", "/greetings/bob", "/greetings/ann", "/greetings/bob"]
        assert len(shop.services["catalog"].seen) == 2
        assert answer.header("cache-control").startswith("private")
        assert answer.header("vary") == "cookie"


async def test_many_at_once_never_get_anothers_answer() -> None:
    """T4, W7: with cancellation in between."""
    provider = Provider()
    async with opened(provider) as shop:
        browsers = [shop.browser(provider) for _ in range(8)]
        for number, one in enumerate(browsers):
            await one.login(f"user{number}")
        asking = [asyncio.create_task(browsers[n % 8].get("/home" if n % 3 else "/me")) for n in range(400)]
        await asyncio.sleep(0)
        for task in asking[::7]:
            task.cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        wrong = [
            n
            for n, one in enumerate(answers)
            if not isinstance(one, BaseException) and f"user{n % 8}".encode() not in one.body
        ]

        assert wrong == []


async def test_no_answer_of_a_session_is_given_again_without_its_guard() -> None:
    """T19, W7: the near cache at the door asks no guard, so it has none of these; their own routes are in no cache."""
    provider = Provider()
    async with opened(provider) as shop:
        routes = shop.running.web.routes
        repeated = {one.path for one in routes if one.repeats is not None}

        assert len(routes) > 10
        assert not repeated & {"/home", "/me", "/orders", "/api/{rest:path}", "/auth/login", "/auth/callback"}


async def test_an_ended_session_gets_no_kept_answer() -> None:
    """T19: the guard comes before the cache."""
    provider = Provider(expires_in=None)
    async with opened(provider, IDLE="50") as shop:
        browser = shop.browser(provider)
        await browser.login()
        warm = await browser.get("/home")
        await shop.advance(50)
        late = await browser.get("/home")

        assert (warm.status, late.status) == (200, 401)


async def test_scopes_are_asked_for_at_the_login_and_demanded_after_it() -> None:
    """RFC 6749 5.1: granted are those that the provider says, or those that were asked for."""
    provider = Provider()
    async with opened(provider, SCOPES="openid profile") as shop:
        browser, fewer = shop.browser(provider), shop.browser(provider)
        began = await browser.get("/auth/login")
        await browser.login()
        provider.given = {"scope": "openid"}
        await fewer.login()
        statuses = [(await one.get("/admin")).status for one in (browser, fewer)]

        assert "scope=openid+profile+admin" in began.header("location")
        assert statuses == [200, 403]


async def test_a_narrower_grant_gets_no_answer_that_was_made_for_a_wider_one() -> None:
    """T4: what the services say may depend on what the token permits."""
    provider = Provider()
    async with opened(provider) as shop:
        wide, narrow = shop.browser(provider), shop.browser(provider)
        await wide.login("ann")
        provider.given = {"scope": "openid"}
        await narrow.login("ann")
        for one in (wide, narrow):
            await one.get("/home")

        assert len(shop.services["catalog"].seen) == 2


async def test_a_screen_without_its_route_asks_the_session_too() -> None:
    """`Aggregate.run()` in a handler without a guard; the services of that handler see no session cookie."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        before = await browser.post("/both")
        await browser.login()
        after = await browser.post("/both")

        assert (before.status, after.status, after.json()) == (401, 200, "/greetings/ann")


async def test_the_store_holds_nothing_that_can_be_read_or_used() -> None:
    """W1: neither the id, nor a token, nor who it is; and what is of one session opens for no other."""
    provider = Provider()
    async with opened(provider) as shop:
        ann, bob = shop.browser(provider), shop.browser(provider)
        await ann.login("ann@shop.example")
        await bob.login("bob@shop.example")
        store, marks = store_of(shop), [mark_of(one.jar[COOKIE].encode()) for one in (ann, bob)]
        held = [await store.read(mark, use=False) for mark in marks]
        raw = repr((marks, held))
        for mark, other in zip(marks, reversed(held), strict=True):
            assert other is not None
            await store.replace(mark, other.data, 1)
        statuses = [(await one.get("/me")).status for one in (ann, bob)]

        for secret in (ann.jar[COOKIE], "ann@", "eyJ", "access", "refresh"):
            assert secret not in raw
        assert statuses == [401, 401]


def test_neither_the_operators_key_nor_the_store_opens_anything_without_the_id() -> None:
    """W1: the key that seals is made of both."""
    key, bound = b"k" * 32, b"session:id"
    sealed = Seal([key]).seal(b"text", bound)

    with pytest.raises(InvalidTag):
        AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)


@pytest.mark.parametrize("place", range(0, 60, 7))
async def test_bytes_that_were_changed_in_the_store_are_no_session(place: int) -> None:
    """W1: AES-GCM."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        store, mark = store_of(shop), mark_of(browser.jar[COOKIE].encode())
        held = await store.read(mark, use=False)
        assert held is not None
        data = held.data[:place] + bytes([held.data[place] ^ 1]) + held.data[place + 1 :]
        await store.replace(mark, data, 1)
        answer = await browser.get("/me")

        assert answer.status == 401


async def test_memory_is_bounded_and_the_session_unused_for_longest_goes_first() -> None:
    """X1: each session in memory has logged in, and still there is an end."""
    store = MemorySessions(ManualClock().now, idle=10, lifetime=100, most=3)
    for mark in (b"a", b"b", b"c"):
        await store.create(mark, mark)
    await store.read(b"a", use=True)
    await store.create(b"d", b"d")
    there = [mark for mark in (b"a", b"b", b"c", b"d") if await store.read(mark, use=False)]

    assert there == [b"a", b"c", b"d"]


@pytest.mark.parametrize("ended", [0, 1, 2, 49, 50])
async def test_sessions_that_have_ended_take_no_place(ended: int) -> None:
    """X1, W6: they are forgotten when a new one comes, however many they are."""
    clock = ManualClock()
    store = MemorySessions(clock.now, idle=10, lifetime=100)
    for number in range(ended):
        await store.create(b"%d" % number, b"")
    await clock.advance(10)
    await store.create(b"new", b"")

    assert len(store) == 1


@pytest.mark.parametrize("ended", [1, 2, 3])
async def test_a_session_that_has_ended_takes_no_other_with_it(ended: int) -> None:
    """W6: somebody who logs in logs nobody out that has used theirs."""
    clock = ManualClock()
    store = MemorySessions(clock.now, idle=10, lifetime=100)
    for number in range(ended):
        await store.create(b"%d" % number, b"")
    await clock.advance(5)
    await store.create(b"used", b"")
    await clock.advance(5)
    await store.create(b"new", b"")
    there = [mark for mark in (b"0", b"used", b"new") if await store.read(mark, use=False)]

    assert there == [b"used", b"new"]


async def test_a_lock_is_for_one_and_ends_by_itself() -> None:
    """W8: who forgets to give it back does not stop the others for ever."""
    clock = ManualClock()
    store = MemorySessions(clock.now, idle=10, lifetime=100)
    first = await store.lock(b"m", b"one", 5)
    second = await store.lock(b"m", b"two", 5)
    anew = await store.lock(b"m", b"one", 5)
    await store.unlock(b"m", b"two")
    still = await store.lock(b"m", b"two", 5)
    await clock.advance(5)
    late = await store.lock(b"m", b"two", 5)
    await store.unlock(b"m", b"two")
    given = await store.lock(b"m", b"one", 5)

    assert (first, second, anew, still, late, given) == (True, False, True, False, True, True)
