"""What of a session a service sees: nothing, unless that is declared (W11)."""

from contextvars import ContextVar
from typing import Annotated

import pytest
from pydantic import BaseModel

from stagedoor import Gateway, Service, Sessions
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage
from tests.stagedoor.face.sessions.browser import (
    COOKIE,
    LOGIN,
    Home,
    app,
    catalog,
    home,
    opened,
    orders,
    sessions,
)
from tests.stagedoor.face.sessions.provider import Provider


async def test_only_a_service_that_declares_it_gets_the_token() -> None:
    """W11: by a call and by a proxy; the others see neither token nor cookie."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        for target in ("/orders", "/api/orders", "/home", "/legacy/x"):
            await browser.get(target, authorization="Bearer browsers-own")
        sent = shop.services["orders"].seen
        others = [*shop.services["catalog"].seen, *shop.services["legacy"].seen]

        assert len({one["authorization"] for one in sent}) == 1
        assert sent[0]["authorization"].startswith("Bearer ")
        assert "browsers-own" not in str(sent)
        assert [one.get("authorization") for one in others] == [None, None]
        assert not any("cookie" in one for one in (*sent, *others))


async def test_a_cookie_of_a_session_is_for_the_gateway_alone() -> None:
    """W11: where `forward` names cookies, the other ones go on."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        await browser.begin("ann")  # there are both of them
        browser.jar |= {"theme": "dark", f"{COOKIE}x": "1"}
        await browser.get("/legacy/x")
        (seen,) = shop.services["legacy"].seen

        assert seen["cookie"] == f"theme=dark; {COOKIE}x=1"


@pytest.mark.parametrize("name", [COOKIE, LOGIN])
async def test_a_service_sets_and_ends_no_session(name: str) -> None:
    """W2: one that was broken into would put a visitor into a session of its own; other cookies pass."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        before = dict(browser.jar)
        for service in ("legacy", "orders"):
            planted = [f"{name}=planted; Path=/", f" {name} = x", f"={name}=x; Path=/", f" = {name} =x"]
            shop.services[service].cookies = [*planted, "theme=dark"]
        answers = [await browser.get(one) for one in ("/legacy/x", "/api/x")]

        assert [one.cookies for one in answers] == [["theme=dark"]] * 2
        assert browser.jar == {**before, "theme": "dark"}


async def test_a_service_knows_a_subject_again_whatever_is_granted() -> None:
    """W7: what somebody left with it under one login is theirs after the next, and nobody else's."""
    provider = Provider()
    async with opened(provider) as shop:
        for subject, scope in (("ann", "openid profile"), ("ann", "openid"), ("bob", "openid")):
            browser = shop.browser(provider)
            provider.given = {"scope": scope}
            await browser.login(subject)
            await browser.get("/wall/x")
        first, again, other = (one["x-subject"] for one in shop.services["legacy"].seen)

        assert first == again
        assert other != first


async def test_each_session_sends_its_own_token() -> None:
    """T4: calls of two callers are never joined."""
    provider = Provider()
    async with opened(provider) as shop:
        for subject in ("ann", "bob"):
            browser = shop.browser(provider)
            await browser.login(subject)
            await browser.get("/orders")

        assert len({one["authorization"] for one in shop.services["orders"].seen}) == 2


class Page(BaseModel):
    text: str


def by_a_screen(one: Gateway, web: Sessions) -> None:
    pages = one.service("pages", forward={web})
    screen = one.aggregate("/page", Page)

    @screen.part
    async def text() -> str:
        return await pages.get(str, "/text")


def by_a_handler(one: Gateway, web: Sessions) -> None:
    pages = one.service("pages", forward={web})

    @one.get("/page")
    async def page() -> str:
        return await pages.get(str, "/text")


def by_a_proxy(one: Gateway, web: Sessions) -> None:
    one.proxy("/page", one.service("pages", forward={web}))


def by_other_sessions(one: Gateway, web: Sessions) -> None:
    pages, others = one.service("pages", forward={web}), Sessions("others", path="/others")

    @one.get("/page")
    async def page(subject: Annotated[str, others]) -> str:
        return await pages.get(str, "/{}", subject)


@pytest.mark.parametrize("declare", [by_a_screen, by_a_handler, by_a_proxy, by_other_sessions])
def test_a_route_that_knows_no_session_cannot_send_its_token(declare: object) -> None:
    """W11: it is found at the start, and told with its place."""
    one = Gateway("leak")
    declare(one, Sessions("web"))  # type: ignore[operator]

    with pytest.raises(ConfigError, match=r"'pages' is sent the token of 'web': let it guard this route"):
        one.looked_at(reachable=False)


@pytest.mark.parametrize("forward", [{Sessions("a"), Sessions("b")}, {Sessions("a"), "Authorization"}])
def test_one_field_has_one_meaning(forward: set[object]) -> None:
    """W11: which token would be sent must not be a matter of order."""
    with pytest.raises(ConfigError, match="more than one that would be sent as Authorization"):
        Gateway("two").service("pages", forward=forward)  # type: ignore[arg-type]


async def test_a_call_that_the_code_does_not_show_is_refused_before_it_is_sent() -> None:
    """W11: a service by a name that is made at run time."""
    one = Gateway("hidden")
    web = Sessions("web")
    pages = one.service("pages", forward={web})
    hidden: ContextVar[Service] = ContextVar("hidden", default=pages)

    @one.get("/page")
    async def page() -> str:
        return await hidden.get().get(str, "/text")

    @one.get("/own", guard=web)
    async def own() -> str:
        return await pages.get(str, "/text")

    with pytest.raises(ConfigError, match="'pages' is sent the token of 'web': let it guard this"):
        async with Stage(one) as stage:
            await stage.get("/page")


async def test_a_test_says_who_is_there() -> None:
    """`stage.credentials`, as for any guard; a service that declares it gets a token that says whose it is."""
    async with Stage(app) as stage:
        stage[orders].says(["one"])
        stage[catalog].says("hello")
        ann = stage.credentials(sessions, "ann", plan="gold")
        page = await stage.get("/home", **ann)
        listed = await stage.get("/orders", **ann)
        nobody = await stage.get("/orders")

        assert page.read(Home) == Home(greeting="hello", plan="gold")
        assert (listed.status, nobody.status) == (200, 401)
        assert stage[orders].asked[0].headers["authorization"] == "Bearer test-token-of-ann"
        assert home.guard is sessions
