"""Logging in: what the browser gets, and every way in which a login may be crooked."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from stagedoor._guards.sessions.login import LASTS
from tests.stagedoor.face.sessions.browser import COOKIE, LOGIN, Browser, opened, store_of
from tests.stagedoor.face.sessions.provider import Provider


async def test_a_browser_that_logs_in_is_known() -> None:
    """W1, issue 14: code flow with PKCE; the provider of the tests insists on each part of it."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        before = await browser.get("/me")
        answer = await browser.login(target="/auth/login?return_to=/films?page=2%23top")
        after = await browser.get("/me")

        assert (before.status, after.status, after.json()) == (401, 200, {"sub": "ann", "plan": "basic"})
        assert (answer.status, answer.body) == (303, b"")
        assert answer.header("location") == "https://shop.example/films?page=2#top"


async def test_the_browser_has_an_id_in_a_cookie_that_only_this_host_sees() -> None:
    """W1: `__Host-`, Secure, HttpOnly, Lax; no token, claim or name is in anything that a browser gets."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        began = await browser.get("/auth/login")
        back = provider.authorize(began.header("location"), "ann@shop.example")
        answer = await browser.get(back.removeprefix("https://shop.example"), site="cross-site")
        (session,) = [one for one in answer.cookies if one.startswith(f"{COOKIE}=")]
        said = str([*began.cookies, *answer.fields, answer.body])

        attributes = session.partition("; ")[2]
        assert attributes == "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=43200"
        assert began.cookies[0].endswith("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600")
        assert len(browser.jar[COOKIE]) == 43
        assert list(browser.jar) == [COOKIE]
        assert "ann" not in said
        assert "eyJ" not in said
        assert answer.header("cache-control") == began.header("cache-control") == "no-store"
        assert answer.header("referrer-policy") == "no-referrer"


async def test_a_session_id_that_was_set_before_the_login_is_worth_nothing_after_it() -> None:
    """W2: fixation. The id is always new, and the session that was there ends."""
    provider = Provider()
    async with opened(provider) as shop:
        browser, thief = shop.browser(provider), shop.browser(provider)
        browser.jar[COOKIE] = thief.jar[COOKIE] = "f" * 43
        await browser.login("ann")
        first = browser.jar[COOKIE]
        planted = await thief.get("/me")
        thief.jar[COOKIE] = first
        stolen = await thief.get("/me")
        await browser.login("ann")
        after = await thief.get("/me")

        assert (planted.status, stolen.status, after.status) == (401, 200, 401)
        assert len({first, browser.jar[COOKIE], "f" * 43}) == 3


@pytest.mark.parametrize("twice", ["both", "swapped"])
async def test_two_session_cookies_are_no_session(twice: str) -> None:
    """W2: which of them counts would be for whoever could add one."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login("ann")
        own, other = f"{COOKIE}={browser.jar[COOKIE]}", f"{COOKIE}={'f' * 43}"
        line = f"{own}; {other}" if twice == "both" else f"{other}; {own}"
        answer = await browser.ask("/me", {"cookie": line}, cookies=False)

        assert answer.status == 401


async def test_a_login_that_was_begun_elsewhere_cannot_be_finished_here() -> None:
    """W3: login CSRF. The attacker's code and state do not fit the browser of the victim."""
    provider = Provider()
    async with opened(provider) as shop:
        attacker, victim = shop.browser(provider), shop.browser(provider)
        target = await attacker.begin("mallory")
        without = await victim.get(target, site="cross-site")
        await victim.begin("ann")
        with_own = await victim.get(target, site="cross-site")

        assert (without.status, with_own.status) == (400, 400)
        assert COOKIE not in victim.jar
        assert provider.count("authorization_code") == 0


async def test_a_code_of_another_login_is_refused_for_its_verifier() -> None:
    """W3: code injection (RFC 9700 4.5). The state is the victim's own, the code was stolen."""
    provider = Provider()
    async with opened(provider) as shop:
        victim, attacker = shop.browser(provider), shop.browser(provider)
        stolen = (await victim.begin("ann")).partition("code=")[2].partition("&")[0]
        own = await attacker.begin("mallory")
        code = own.partition("code=")[2].partition("&")[0]
        answer = await attacker.get(own.replace(code, stolen), site="cross-site")

        assert answer.status == 400
        assert COOKIE not in attacker.jar


async def test_a_login_is_finished_once() -> None:
    """W3: the address and the cookie of a login that was finished are worth nothing, even with a fresh code."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = await browser.begin("ann")
        cookie = browser.jar[LOGIN]
        first = await browser.get(target, site="cross-site")
        browser.jar = {LOGIN: cookie}
        second = await browser.get(target, site="cross-site")

        assert (first.status, second.status) == (303, 400)
        assert COOKIE not in browser.jar
        assert provider.count("authorization_code") == 1


async def test_a_login_that_takes_too_long_is_over() -> None:
    """W3: the cookie lasts ten minutes, also if a browser keeps it for longer."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = await browser.begin("ann")
        await shop.advance(LASTS)
        answer = await browser.get(target, site="cross-site")

        assert answer.status == 400


async def test_several_tabs_log_in_side_by_side() -> None:
    """W3: the last four logins lie in the cookie, whichever is finished first."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        targets = [await browser.begin("ann", f"/auth/login?return_to=/{n}") for n in range(5)]
        statuses = [(await browser.get(one, site="cross-site")).status for one in targets]

        assert statuses == [400, 303, 303, 303, 303]
        assert list(browser.jar) == [COOKIE]


async def test_long_addresses_leave_room_for_fewer_logins_and_never_a_cookie_too_large() -> None:
    """RFC 6265bis 5.6: browsers drop what is larger than 4,096 bytes, and with it the login."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = ""
        for n in range(4):
            target = await browser.begin("ann", f"/auth/login?return_to=/{n}{'x' * 1_000}")
        size = len(LOGIN) + len(browser.jar[LOGIN])
        answer = await browser.get(target, site="cross-site")

        assert size < 3_600
        assert answer.status == 303


@pytest.mark.parametrize(
    "bent",
    [
        "other state",
        "no state",
        "state twice",
        "code twice",
        "no code",
        "other issuer",
        "no issuer",
        "not ASCII",
        "code and error",
        "many words",
    ],
)
async def test_a_callback_that_is_not_whole_is_refused(bent: str) -> None:
    """W3, RFC 9207: nothing is asked of the provider for an answer that is not the one to our question."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = _bent(await browser.begin("ann"), bent)
        answer = await browser.get(target, site="cross-site")

        assert answer.status == 400
        assert answer.header("content-type") == "application/problem+json"
        assert provider.count("authorization_code") == 0
        assert COOKIE not in browser.jar


def _bent(target: str, how: str) -> str:
    path, _, query = target.partition("?")
    said = dict(one.split("=") for one in query.split("&"))
    changed = {
        "other state": {**said, "state": "x" * 43},
        "no state": {**said, "state": ""},
        "no code": {**said, "code": ""},
        "other issuer": {**said, "iss": "https://evil.example"},
        "no issuer": {name: one for name, one in said.items() if name != "iss"},
        "not ASCII": {**said, "x": "%ff"},
        "code and error": {**said, "error": "access_denied"},
        "many words": {**said, **{f"x{n}": "1" for n in range(30)}},
    }.get(how, said)
    more = {"state twice": f"&state={said['state']}", "code twice": "&code=1"}.get(how, "")
    return f"{path}?" + "&".join(f"{name}={one}" for name, one in changed.items()) + more


async def test_a_provider_that_does_not_say_who_it_is_need_not() -> None:
    """RFC 9207 2.4: `iss` is demanded of those who announce it; one that is there counts anyhow."""
    provider = Provider(says_issuer=False)
    async with opened(provider) as shop:
        honest, mixed = shop.browser(provider), shop.browser(provider)
        first = await honest.login()
        target = await mixed.begin("ann")
        second = await mixed.get(f"{target}&iss=https://evil.example", site="cross-site")

        assert (first.status, second.status) == (303, 400)


async def test_a_refusal_of_the_provider_is_told_without_its_words() -> None:
    """T2: what it says is nobody's to repeat; the login is over."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = await browser.begin("ann")
        state = target.partition("state=")[2].partition("&")[0]
        bad = f"/auth/callback?error=canary&error_description=canary&state={state}&iss={provider.issuer}"
        answer = await browser.get(bad, site="cross-site")

        assert answer.status == 403
        assert b"canary" not in answer.body
        assert browser.jar == {}


@pytest.mark.parametrize("cookie", ["", "x", "*" * 80, "A" * 4_000, base64.b64encode(b"[]" * 40).decode()])
async def test_a_cookie_of_logins_that_is_not_ours_is_none(cookie: str) -> None:
    """W3: it is sealed; nobody makes one."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = await browser.begin("ann")
        browser.jar[LOGIN] = cookie
        answer = await browser.get(target, site="cross-site")

        assert answer.status == 400


async def test_looking_is_not_logging_in() -> None:
    """RFC 9110 9.3.2: HEAD of a callback would spend a code of which nobody sees the result."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = await browser.begin("ann")
        looked = await browser.ask(target, method="HEAD", site="cross-site")
        answer = await browser.get(target, site="cross-site")

        assert (looked.status, answer.status) == (405, 303)


async def test_logins_that_nobody_finishes_cost_no_memory() -> None:
    """W3: they lie in the cookies of who begins them."""
    provider = Provider()
    async with opened(provider) as shop:
        for _ in range(20):
            await shop.browser(provider).get("/auth/login")

        assert repr(store_of(shop)) == "<MemorySessions 0, 0 spent>"


async def test_a_provider_that_is_down_is_503_and_well_again_at_once() -> None:
    """Nobody was logged in, nobody is told why but by what is down."""
    provider = Provider(down=True)
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        down = await browser.get("/auth/login")
        provider.down = False
        await shop.advance(1.0)
        answer = await browser.login()

        assert (down.status, down.header("retry-after")) == (503, "1")
        assert answer.status == 303


@pytest.mark.parametrize(("status", "told"), [(500, 503), (503, 503), (302, 502), (418, 502)])
async def test_a_token_endpoint_that_fails_makes_no_session(status: int, told: int) -> None:
    """W3: and no code is sent a second time for it."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        target = await browser.begin("ann")
        provider.failing = status
        answer = await browser.get(target, site="cross-site")

        assert answer.status == told
        assert COOKIE not in browser.jar
        assert provider.count("authorization_code") == 1


async def test_a_secret_that_is_wrong_is_told_to_who_operates_it(caplog: pytest.LogCaptureFixture) -> None:
    """In the provider's word, where it is a known one; a browser hears nothing of it."""
    provider = Provider()
    async with opened(provider, CLIENT_SECRET="another") as shop:
        answer = await shop.browser(provider).login()

        assert answer.status == 502
        assert b"client" not in answer.body
        assert "web.provider refuses this gateway: 401, invalid_client" in caplog.messages


@pytest.mark.parametrize(
    "bent",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "a b"},
        {"access_token": "a\r\nx: y"},
        {"access_token": 7},
        {"token_type": "mac"},
        {"token_type": None},
        {"id_token": None},
        {"refresh_token": 1},
    ],
    ids=json.dumps,
)
async def test_an_answer_without_tokens_makes_no_session(bent: dict[str, object]) -> None:
    """RFC 6749 5.1, 7.1: an access token goes into a field, so it has to be able to."""
    provider = Provider(given=bent)
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        answer = await browser.login()

        assert answer.status == 502
        assert COOKIE not in browser.jar


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": "https://login.example/"},
        {"token_endpoint": "http://login.example/token"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": "https://ann@login.example/token"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
        {"end_session_endpoint": "http://login.example/out"},
        {"token_endpoint_auth_methods_supported": 7},
    ],
    ids=json.dumps,
)
async def test_a_document_that_is_not_the_providers_own_is_not_believed(document: dict[str, object]) -> None:
    """OpenID Connect Discovery 4.3: the issuer is exactly the one that was asked for; secrets go over https only."""
    provider = Provider(document=document)
    async with opened(provider) as shop:
        answer = await shop.browser(provider).get("/auth/login")

        assert answer.status == 503


async def test_a_document_that_is_not_there_is_told_by_its_status(caplog: pytest.LogCaptureFixture) -> None:
    """The issuer is written wrong, as a rule; whoever operates it need not look for what is wrong in the document."""
    provider = Unpublished()
    async with opened(provider) as shop:
        answer = await shop.browser(provider).get("/auth/login")

        assert answer.status == 503
        assert "(it answered 404)" in caplog.text


class Unpublished(Provider):
    """A provider that has nothing where its document should be."""

    async def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        return 404, {}


async def test_a_secret_is_posted_where_the_provider_takes_no_other_way() -> None:
    """RFC 6749 2.3.1: Basic is usual."""
    provider = Provider(document={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    async with opened(provider) as shop:
        answer = await shop.browser(provider).login()

        assert answer.status == 303
        assert all("authorization" not in one for one in provider.headers)


async def test_the_provider_learns_nothing_of_the_browser() -> None:
    """T4: no cookie, no address, no id of the request goes along."""
    provider = Provider()
    async with opened(provider) as shop:
        await _curious(shop.browser(provider))
        names = {name for one in provider.headers for name in one}

        assert names <= {"accept", "authorization", "content-type"}


async def _curious(browser: Browser) -> None:
    target = await browser.begin("ann")
    await browser.get(
        target,
        site="cross-site",
        x_request_id="canary",
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    )
