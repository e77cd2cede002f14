"""Where a browser is sent back to: paths of this site, and nothing that anybody could read otherwise."""

from urllib.parse import quote

import pytest

from stagedoor._guards.sessions.addresses import is_local
from tests.stagedoor.face.sessions.browser import opened
from tests.stagedoor.face.sessions.provider import Provider

ELSEWHERE = [
    "",
    "x",
    "https://evil.example",
    "https://shop.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/x\r\nset-cookie: a=b",
    "/\0",
    "/x\x7f",
    " /x",
    "/x y",
    "/.//evil.example",
    "/..//evil.example",
    "/a/..//evil.example",
    "/a//b",
    "/./x",
    "/%2fevil.example",
    "/%2Fevil.example",
    "/%252fevil.example",
    "/%25252fevil.example",
    "/%25252525252fevil.example",
    "/%5cevil.example",
    "/%255cevil.example",
    "/%09/evil.example",
    "/%0d%0aset-cookie:a=b",
    "/%00",
    "/%2e%2e//evil.example",
    "/x?y=%0d%0a",
    "/x#%5c",
    "/é",
    "/\u2028x",
    "/\uff0fevil.example",
    "javascript:alert(1)",
    "/" + "x" * 1_024,
]
HERE = ["/", "/films", "/films/", "/films/1/edit", "/films?x=1&y=a%20b", "/films?next=/a", "/#top", "/x?y#z"]
HERE += ["/a-b_c~d.e;f=1", "/%C3%A9", "/films?back=https://other.example/x", "/.well-known/x", "/a..b"]


@pytest.mark.parametrize("address", ELSEWHERE, ids=ascii)
def test_an_address_that_may_lead_elsewhere_is_none(address: str) -> None:
    """W4, RFC 9700 4.11: no `//`, no backslash, no control character, encoded once or often."""
    assert not is_local(address)


@pytest.mark.parametrize("address", HERE)
def test_a_path_of_this_site_is_one(address: str) -> None:
    """W4: with a query and fragment, or without."""
    assert is_local(address)


async def test_a_login_does_not_begin_for_such_an_address() -> None:
    """W4: it is refused before anybody is sent anywhere; nothing of it is repeated."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        answers = [await browser.get(f"/auth/login?return_to={quote(one, safe='')}") for one in ELSEWHERE]
        fields = {name for one in answers for name, _ in one.fields}

        assert [one.status for one in answers] == [400] * len(ELSEWHERE)
        assert not fields & {"location", "set-cookie"}


@pytest.mark.parametrize(
    "query", ["return_to=/a&return_to=//b", "return_to=/auth/login", "return_to=/auth", "return_to=%ff"]
)
async def test_an_address_that_is_said_twice_or_leads_into_a_circle_is_refused(query: str) -> None:
    """W4: which of two counts must not be for somebody else to guess; a login leads to no login."""
    provider = Provider()
    async with opened(provider) as shop:
        answer = await shop.browser(provider).get(f"/auth/login?{query}")

        assert answer.status == 400


async def test_below_a_mount_the_addresses_are_those_that_browsers_see() -> None:
    """W4: the provider leads back below it, `return_to` is a path of the origin, and circles are seen there too."""
    provider = Provider()
    async with opened(provider, BASE_URL="https://shop.example/below") as shop:
        browser = shop.browser(provider)
        circle = await browser.get("/auth/login?return_to=/below/auth/login")
        began = await browser.get("/auth/login?return_to=/films")
        back = provider.authorize(began.header("location"), "ann")
        answer = await browser.get(back.removeprefix("https://shop.example/below"), site="cross-site")

        assert circle.status == 400
        assert back.startswith("https://shop.example/below/auth/callback?")
        assert answer.header("location") == "https://shop.example/films"


async def test_a_login_leads_back_to_where_it_began() -> None:
    """W4: on this origin, said whole."""
    provider = Provider()
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        answers = [await browser.login(target=f"/auth/login?return_to={quote(one, safe='')}") for one in HERE]

        assert [one.header("location") for one in answers] == [f"https://shop.example{one}" for one in HERE]
