"""T15: nothing of a session is in any log line, metric, problem or report, whatever becomes of it."""

import re
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

from tests.stagedoor.face.sessions.browser import COOKIE, LOGIN, Browser, Visited, opened
from tests.stagedoor.face.sessions.provider import SECRET, Provider


async def test_no_secret_of_a_session_is_told_to_anybody() -> None:
    """T15: of logins that succeed and fail, of renewals, refusals, outages and logouts, at the level debug."""
    stream, provider, secrets = BytesIO(), Provider(), {SECRET, "ann@shop.example", "canary"}
    bodies: list[bytes] = []
    async with opened(provider, stream=stream, variables={"SHOP_LOG_LEVEL": "debug"}) as shop:
        browser = shop.browser(provider)
        for bend in ({}, {"access_token": None}, {"id_token": "canary.canary.canary"}, {}):
            provider.given = bend
            secrets |= await _logged_in(browser, bodies)
        for failing in (0, 500, 400):
            provider.failing = failing
            await shop.advance(301)
            answers = [await browser.get(one) for one in ("/orders", "/me", "/api/x?canary=1")]
            bodies += [one.body for one in answers if one.status >= 400]  # /me says who it is
        provider.failing = 0
        provider.end("ann@shop.example")
        await shop.advance(301)
        bodies.append((await browser.get("/me")).body)
        bodies.append((await browser.post("/auth/logout")).body)
        secrets |= _tokens(shop, provider)
        metrics = shop.running.world.metrics
        assert metrics is not None
        bodies.append(metrics.render()[0])
    said = b"\n".join([stream.getvalue(), *bodies]).decode()

    assert len(secrets) > 20
    assert said.count("/auth/callback") >= 4
    assert [one for one in secrets if one in said] == []


async def _logged_in(browser: Browser, bodies: list[bytes]) -> set[str]:
    """Log in, as far as that goes, and return what nobody should hear of."""
    began = await browser.get("/auth/login?return_to=/x?canary=1")
    address = began.header("location")
    asked = parse_qs(urlsplit(address).query)
    back = browser.provider.authorize(address, "ann@shop.example")
    secrets = {
        asked["state"][0],
        asked["nonce"][0],
        parse_qs(urlsplit(back).query)["code"][0],
        browser.jar[LOGIN],
    }
    answer = await browser.get(back.removeprefix("https://shop.example"), site="cross-site")
    bodies += [began.body, answer.body]
    return secrets | ({browser.jar[COOKIE]} if COOKIE in browser.jar else set())


def _tokens(shop: Visited, provider: Provider) -> set[str]:
    sent = {one["authorization"].removeprefix("Bearer ") for one in shop.services["orders"].seen}
    verifiers = {form["code_verifier"] for _, form in provider.asked if "code_verifier" in form}
    assert all(re.fullmatch(r"[\w-]{43}", one) for one in verifiers)
    return sent | verifiers | set(provider.refresh_tokens)
