"""Access tokens are renewed once for all that wait, and what a provider says then decides over the session (W8)."""

import asyncio
from typing import Any

import pytest

from stagedoor._guards.sessions.refreshing import OpenedSession, Renewals, due
from stagedoor._guards.sessions.session import Session
from stagedoor._guards.sessions.store import MemorySessions, StoredSession
from stagedoor._guards.sessions.tokens import TokenSet, token_set
from stagedoor.testing import ManualClock
from tests.stagedoor.face.sessions.browser import Answer, Browser, Visited, opened
from tests.stagedoor.face.sessions.provider import Provider


async def turns(number: int = 50) -> None:
    """Let everything go on that can."""
    for _ in range(number):
        await asyncio.sleep(0)


async def fifty(browser: Browser, target: str = "/orders") -> list[Answer]:
    return await asyncio.gather(*[browser.get(target) for _ in range(50)])


async def test_fifty_at_once_cause_one_renewal() -> None:
    """W8, issue 14: all of them go on with the new token."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        await shop.advance(301)
        provider.gate = asyncio.Event()
        asking = asyncio.create_task(fifty(browser))
        await turns()
        provider.gate.set()
        answers = await asking
        tokens = {one["authorization"] for one in shop.services["orders"].seen}

        assert {one.status for one in answers} == {200}
        assert provider.count("refresh_token") == 1
        assert len(tokens) == 1


async def test_a_renewal_outlives_who_caused_it() -> None:
    """W8, X2: a client that leaves takes nothing from the others; its new token is kept."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        await shop.advance(301)
        provider.gate = asyncio.Event()
        causer = asyncio.create_task(browser.get("/orders"))
        await turns()
        other = asyncio.create_task(browser.get("/orders"))
        await turns()
        causer.cancel()
        await turns()
        provider.gate.set()
        answer = await other
        late = await browser.get("/orders")

        assert (answer.status, late.status) == (200, 200)
        assert provider.count("refresh_token") == 1


async def test_a_token_that_ends_soon_is_renewed_behind_who_brings_it() -> None:
    """W8: nobody waits for the provider as long as the old token is good."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        await shop.advance(250)
        provider.gate = asyncio.Event()
        first = await browser.get("/orders")
        provider.gate.set()
        await turns()
        await browser.get("/orders")
        old, new = (one["authorization"] for one in shop.services["orders"].seen)

        assert first.status == 200
        assert old != new
        assert provider.count("refresh_token") == 1


async def test_a_refresh_token_that_was_used_twice_ends_the_session() -> None:
    """W8, issue 14, RFC 9700 4.14.2: whoever used it first, one of the two is a thief."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        provider.use(provider.refresh_tokens[0])
        await shop.advance(301)
        answers = [await browser.get("/me") for _ in range(3)]

        assert [one.status for one in answers] == [401] * 3
        assert provider.count("refresh_token") == 1


async def test_a_subject_that_the_provider_has_shut_out_is_out_within_a_tokens_life() -> None:
    """W8: invalid_grant, for whatever reason, ends the session also where no token is sent on."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        provider.end("ann")
        early = await browser.get("/me")
        await shop.advance(301)
        late = await browser.get("/me")

        assert (early.status, late.status) == (200, 401)


@pytest.mark.parametrize("outage", ["down", "500", "400", "401", "garbled"])
async def test_a_provider_that_cannot_be_asked_ends_no_session(outage: str) -> None:
    """W8: who it is, is known; only what needs the token is 503, until it can be renewed."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        await shop.advance(301)
        _break(provider, outage)
        broken = [(await browser.get(one)).status for one in ("/me", "/orders", "/api/orders", "/me")]
        asked = provider.count("refresh_token")
        _mend(provider)
        await shop.advance(2)
        mended = [(await browser.get(one)).status for one in ("/me", "/orders")]

        assert broken == [200, 503, 503, 200]
        assert asked <= 1  # it is left in peace for a moment
        assert mended == [200, 200]


def _break(provider: Provider, outage: str) -> None:
    provider.down = outage == "down"
    provider.failing = int(outage) if outage.isdigit() else 0
    provider.given = {"access_token": None} if outage == "garbled" else {}


def _mend(provider: Provider) -> None:
    provider.down, provider.failing, provider.given = False, 0, {}
    provider.rotates = False  # what was answered with nonsense had been used


async def test_a_provider_that_is_slow_holds_nobody_for_longer_than_there_is_time() -> None:
    """D1, W8: half of what is left goes into waiting; then it goes on without the token."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        await shop.advance(301)
        provider.gate = asyncio.Event()
        asking = [asyncio.create_task(browser.get(one)) for one in ("/me", "/orders")]
        await turns()
        await shop.advance(1.0)
        answers = await asyncio.gather(*asking)
        provider.gate.set()
        await turns()
        after = await browser.get("/orders")

        assert [one.status for one in answers] == [200, 503]
        assert (after.status, provider.count("refresh_token")) == (200, 1)


async def test_a_renewal_may_change_claims_and_never_who_it_is() -> None:
    """OpenID Connect Core 12.2: another subject ends the session."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        provider.claims = {"plan": "gold"}
        await shop.advance(301)
        changed = await browser.get("/me")
        provider.claims = {"sub": "bob"}
        await shop.advance(301)
        other = await browser.get("/me")

        assert changed.json() == {"sub": "ann", "plan": "gold"}
        assert other.status == 401


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}, {"at_hash": "x"}]
)
async def test_a_renewal_with_a_crooked_id_token_ends_the_session(claims: dict[str, Any]) -> None:
    """W5: as at the login, but for the nonce."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        provider.claims = claims
        await shop.advance(301)
        answer = await browser.get("/me")

        assert answer.status == 401


async def test_a_provider_may_leave_out_what_stays() -> None:
    """RFC 6749 6: no new refresh token, no ID token, no scope."""
    provider = Provider(rotates=False)
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        provider.given = {"refresh_token": None, "id_token": None, "scope": None}
        statuses = []
        for _ in range(3):
            await shop.advance(301)
            statuses.append((await browser.get("/admin")).status)

        assert statuses == [200] * 3
        assert provider.count("refresh_token") == 3


async def test_a_session_without_a_refresh_token_lasts_as_long_as_others() -> None:
    """The token that has ended is sent on as it is: the service's 401 is the answer."""
    provider = Provider(given={"refresh_token": None})
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        await shop.advance(1_000)
        answer = await browser.get("/me")

        assert answer.status == 200
        assert provider.count("refresh_token") == 0


@pytest.mark.parametrize(
    ("age", "expires", "refresh", "wanted"),
    [
        (0, 300, "r", "no"),
        (239, 300, "r", "no"),
        (240, 300, "r", "behind"),
        (299, 300, "r", "behind"),
        (300, 300, "r", "wait"),
        (9, 10, "r", "behind"),
        (7, 10, "r", "no"),
        (3_539, 3_600, "r", "no"),
        (3_541, 3_600, "r", "behind"),
        (-0.001, 300, "r", "wait"),
        (-3_000, 300, "", "no"),
        (999, 300, "", "no"),
        (999, 0, "r", "no"),
    ],
)
def test_when_a_token_is_renewed(age: float, expires: float, refresh: str, wanted: str) -> None:
    """W8: a minute or a fifth of its life before its end; one whose end nobody said, never; of no known age, now."""
    assert due(_session(refresh=refresh, expires_in=expires), age) == wanted


def _session(**more: Any) -> Session:
    return Session(
        **{"subject": "ann", "issuer": "i", "claims": {}, "scopes": (), "access": "a", "refresh": "r"} | more
    )


async def test_tokens_that_somebody_else_replaced_in_spite_of_the_lock_end_the_session() -> None:
    """W8: a process that slept through its lock; both have used one refresh token."""
    store, clock = MemorySessions(ManualClock().now, idle=10, lifetime=100), ManualClock()
    await store.create(b"m", b"1")

    async def ask(session: Session) -> Session:
        await store.replace(b"m", b"2", 1)
        return _session(access="b")

    renewals = _renewals(store, clock, ask)
    found = await _begun(renewals)

    assert found is None
    assert await store.read(b"m", use=False) is None


async def test_who_gets_the_lock_late_takes_what_is_there() -> None:
    """W8: another process has renewed it: the provider is not asked again."""
    clock = ManualClock()
    store, asked = MemorySessions(clock.now, idle=1_000, lifetime=1_000), []
    await store.create(b"m", b"1")
    await store.lock(b"m", b"other", 30)

    async def ask(session: Session) -> Session:
        asked.append(session)
        return session

    renewals = _renewals(store, clock, ask)
    waiting = asyncio.create_task(_begun(renewals))
    await turns()
    await store.replace(b"m", b"2", 1)
    await clock.advance(0.05)
    found = await waiting

    assert found is not None
    assert (found.held.version, asked) == (2, [])


def _renewals(store: MemorySessions, clock: ManualClock, ask: Any) -> Renewals:
    async def look(id_: bytes) -> OpenedSession | None:
        held = await store.read(b"m", use=False)
        return None if held is None else OpenedSession(id_, b"m", held, _session(access=held.data.decode()))

    async def forget(_: Session) -> None:
        return None

    return Renewals(store, clock, look=look, ask=ask, close=lambda _, __: b"3", forget=forget)


async def _begun(renewals: Renewals) -> OpenedSession | None:
    flight = renewals.begin(OpenedSession(b"id", b"m", StoredSession(b"1", 0.0, 1), _session()))
    assert flight is not None
    return await flight


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (300, 300.0),
        ("300", 300.0),
        (None, 0.0),
        (-1, 0.0),
        (True, 0.0),
        ("x", 0.0),
        (1e400, 0.0),
        ("9" * 20, 0.0),
    ],
)
def test_how_long_a_token_lives(said: object, seconds: float) -> None:
    """RFC 6749 5.1: a number; some write a text, some nothing."""
    found = token_set({"access_token": "a", "token_type": "bearer", "expires_in": said})

    assert found == TokenSet(access="a", expires_in=seconds)


async def test_nothing_is_left_when_the_gateway_closes() -> None:
    """X4: a renewal under way has a moment to be written, and no longer."""
    provider = Provider()
    async with opened(provider) as shop:
        await _left_behind(provider, shop)
    await turns()

    assert len(asyncio.all_tasks()) == 1


async def _left_behind(provider: Provider, shop: Visited) -> None:
    browser = shop.browser(provider)
    await browser.login()
    await shop.advance(250)
    provider.gate = asyncio.Event()
    await browser.get("/me")
    asyncio.get_running_loop().call_later(0.05, provider.gate.set)
