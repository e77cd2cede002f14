"""A store that does not answer: nobody can tell who has a session, and nobody is told otherwise (W12)."""

from tests.stagedoor.face.sessions.browser import COOKIE, opened
from tests.stagedoor.face.sessions.provider import Provider

KEY = "a" * 43
NOWHERE = "redis://127.0.0.1:1/0"


async def test_routes_of_sessions_are_503_and_others_go_on() -> None:
    """W12: it is a problem of its own, with the word to come again; the cookie stays."""
    provider = Provider()
    async with opened(provider, STORE=NOWHERE, KEY=KEY) as shop:
        browser = shop.browser(provider)
        browser.jar[COOKIE] = "s" * 43
        closed = [await browser.get("/me"), await browser.get("/api/x"), await browser.post("/auth/logout")]
        public = await browser.get("/legacy/x")
        nobody = await shop.browser(provider).get("/me")
        health = (await browser.get("/health")).json()["components"]["sessions web"]

        assert [one.status for one in closed] == [503] * 3
        assert {one.json()["type"] for one in closed} == {"urn:problem-type:shop:sessions-unavailable"}
        assert {one.header("retry-after") for one in closed} == {"1"}
        assert closed[0].cookies == closed[2].cookies == []
        assert (public.status, nobody.status) == (200, 401)
        assert health["status"] == "unhealthy"


async def test_a_login_keeps_its_code_until_the_store_is_back() -> None:
    """W12: the provider is not asked for tokens that nobody could keep."""
    provider = Provider()
    async with opened(provider, STORE=NOWHERE, KEY=KEY) as shop:
        browser = shop.browser(provider)
        answer = await browser.login()

        assert answer.status == 503
        assert provider.count("authorization_code") == 0
        assert COOKIE not in browser.jar
