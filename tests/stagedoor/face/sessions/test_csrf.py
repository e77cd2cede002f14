"""Who wrote a request: the cookie comes along by itself, so it has to come from a page of our own (W9)."""

import pytest

from stagedoor._guards.sessions.origins import is_our_own
from tests.stagedoor.face.sessions.browser import COOKIE, opened
from tests.stagedoor.face.sessions.provider import Provider

FOREIGN: list[dict[str, str]] = [
    {},
    {"sec_fetch_site": "cross-site"},
    {
        "sec_fetch_site": "same-site"
    },  # a neighbour is another (RFC 9700 4.13 would call it a different client)
    {"sec_fetch_site": "same-origin, cross-site"},
    {"sec_fetch_site": ""},
    {"sec_fetch_site": "cross-site", "origin": "https://shop.example"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://shop.example"},
    {"origin": "https://shop.example:8443"},
    {"origin": "https://shop.example.evil.example"},
    {"origin": "https://shop.example/"},
    {"referer": "https://shop.example/"},
]
OWN: list[dict[str, str]] = [
    {"sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "none"},
    {"sec_fetch_site": "same-origin", "origin": "null"},  # where the page has no-referrer (Fetch 3.1)
    {"origin": "https://shop.example"},
]


@pytest.mark.parametrize("fields", FOREIGN, ids=str)
async def test_a_page_of_somebody_elses_changes_nothing(fields: dict[str, str]) -> None:
    """W9: the session is good, and the request is 403; the session goes on."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        targets = ("/orders", "/api/orders", "/auth/logout")
        answers = [await browser.ask(one, fields, method="POST", site=None) for one in targets]
        after = await browser.get("/me")

        assert [one.status for one in (*answers, after)] == [403, 403, 403, 200]
        assert shop.services["orders"].seen == []


@pytest.mark.parametrize("fields", OWN, ids=str)
async def test_a_page_of_ours_may(fields: dict[str, str]) -> None:
    """W9: by the browser's own word, or by its origin where it has no such word."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        answer = await browser.ask("/orders", fields, method="POST", site=None)
        passed = await browser.ask("/api/orders", fields, method="POST", site=None)

        assert (answer.status, passed.status) == (201, 200)


async def test_a_screen_that_a_handler_runs_asks_for_it_too() -> None:
    """W9: the handler has no guard, the screen has: what it is asked with counts."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        answers = [
            await browser.ask("/both", method="POST", site=one) for one in ("same-site", None, "same-origin")
        ]

        assert [one.status for one in answers] == [403, 403, 200]


async def test_reading_needs_no_such_word() -> None:
    """RFC 9110 9.2.1: a link from elsewhere leads to a page."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        answers = [await browser.ask("/me", site=one) for one in (None, "cross-site", "same-site", "none")]

        assert [one.status for one in answers] == [200] * 4


async def test_who_brings_no_session_is_asked_for_one() -> None:
    """401 says what is missing; 403 would say that a session was there."""
    provider = Provider()
    async with opened(provider) as shop:
        answer = await shop.browser(provider).ask("/orders", method="POST", site=None)

        assert answer.status == 401


async def test_a_forged_request_does_not_keep_a_session_alive() -> None:
    """W6, W9: it is refused before the session is looked up."""
    provider = Provider(expires_in=None)
    async with opened(provider, IDLE="100") as shop:
        browser = shop.browser(provider)
        await browser.login()
        for _ in range(3):
            await shop.advance(40)
            await browser.ask("/orders", method="POST", site="same-site")
        answer = await browser.get("/me")

        assert answer.status == 401
        assert COOKIE in browser.jar


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        (((b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")), False),
        (((b"origin", b"https://a"), (b"origin", b"https://b")), False),
        (((b"sec-fetch-site", b"Same-Origin "),), True),
        (((b"origin", b"https://a"),), True),
    ],
)
def test_lines_that_contradict_one_another_are_not_our_own(
    fields: tuple[tuple[bytes, bytes], ...], own: bool
) -> None:
    """T3: no line hides another."""
    assert is_our_own(fields, "https://a") is own
