"""Logging out: here, at the provider, and only for who asked for it."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.stagedoor.face.sessions.browser import COOKIE, Visited, opened
from tests.stagedoor.face.sessions.provider import CLIENT, Provider


async def test_a_session_is_over_for_everybody_who_has_its_id() -> None:
    """W10: the cookie goes, and a copy of it is worth nothing."""
    provider = Provider()
    async with opened(provider) as shop:
        browser, thief = shop.browser(provider), shop.browser(provider)
        await browser.login()
        thief.jar = dict(browser.jar)
        answer = await browser.post("/auth/logout")
        statuses = [(await one.get("/me")).status for one in (browser, thief)]

        assert answer.status == 303
        assert browser.jar == {}
        assert answer.cookies == [f"{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"]
        assert statuses == [401, 401]


async def test_it_ends_at_the_provider_too() -> None:
    """W10, OpenID Connect RP-Initiated Logout 2; RFC 7009 for the refresh token."""
    provider = Provider(document={"end_session_endpoint": "https://login.example/logout?theme=dark"})
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        answer = await browser.post("/auth/logout")
        parts = urlsplit(answer.header("location"))
        said = parse_qs(parts.query)

        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://login.example/logout"
        assert said["post_logout_redirect_uri"] == ["https://shop.example/"]
        assert (said["client_id"], said["theme"]) == ([CLIENT], ["dark"])
        assert said["id_token_hint"][0].count(".") == 2
        assert len(provider.revoked) == 1


async def test_a_page_that_asks_by_script_is_told_where_to_go() -> None:
    """Fetch does not follow a redirect to another origin: the page goes there itself."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        answer = await browser.post("/auth/logout", accept="application/json")

        assert answer.status == 200
        assert answer.json()["location"].startswith("https://login.example/logout?")


@pytest.mark.parametrize("state", ["down", "failing", "without"])
async def test_a_provider_that_cannot_end_it_is_no_reason_to_stay(state: str) -> None:
    """W10: the session here is over anyhow."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        if state == "without":
            provider.document = {"end_session_endpoint": None, "revocation_endpoint": None}
        await browser.login()
        provider.down, provider.failing = state == "down", 500 * (state == "failing")
        copy = dict(browser.jar)
        answer = await browser.post("/auth/logout")
        browser.jar = copy
        after = await browser.get("/me")

        assert (answer.status, after.status) == (303, 401)


async def test_who_has_no_session_is_logged_out_already() -> None:
    """It may be asked twice."""
    provider = Provider()
    async with opened(provider) as shop:
        answer = await shop.browser(provider).post("/auth/logout")

        assert (answer.status, answer.header("location")) == (303, "https://shop.example/")


async def test_a_link_logs_nobody_out() -> None:
    """W9, W10: only POST does; an image on any page could be a link."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        answer = await browser.ask("/auth/logout", site="cross-site")
        after = await browser.get("/me")

        assert (answer.status, answer.header("allow"), after.status) == (405, "POST", 200)


async def test_logging_out_while_tokens_are_renewed_ends_the_session_all_the_same() -> None:
    """W8, W10: what comes of the renewal is not kept for a session that is over."""
    provider = Provider()
    async with opened(provider) as shop:
        await _renewed_meanwhile(provider, shop)


async def _renewed_meanwhile(provider: Provider, shop: Visited) -> None:
    browser = shop.browser(provider)
    await browser.login()
    copy = dict(browser.jar)
    provider.gate = asyncio.Event()
    await shop.advance(301)
    asking = asyncio.create_task(browser.get("/me"))
    for _ in range(20):
        await asyncio.sleep(0)
    leaving = asyncio.create_task(browser.post("/auth/logout"))
    for _ in range(20):
        await asyncio.sleep(0)
    provider.gate.set()
    answers = await asyncio.gather(asking, leaving)
    browser.jar = copy
    after = await browser.get("/me")

    assert [one.status for one in answers] == [401, 303]
    assert after.status == 401
    assert sorted(provider.revoked) == sorted(provider.refresh_tokens)  # the new one too
