"""Which origins may read what."""

import pytest

from stagedoor._call import Env
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.cors import Cors, is_origin
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor._web.throttle import Quota, Throttle
from stagedoor.errors import ConfigError
from stagedoor.testing import Client

APP = "https://app.example.com"
ORIGIN = (b"origin", APP.encode())


def told(origin: bytes | None, *fields: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    answer = list(fields)
    Cors([APP, "http://localhost:5173"]).tell(answer, origin)
    assert len(answer) == len(dict(answer))
    return dict(answer)


@pytest.mark.parametrize("origin", [APP, "http://localhost:5173"])
def test_a_listed_origin_may_read(origin: str) -> None:
    """CONTRACTS 17: it is named, exactly, and hears which fields it may read."""
    fields = told(origin.encode())

    assert fields == {
        b"vary": b"Origin",
        b"access-control-allow-origin": origin.encode(),
        b"access-control-expose-headers": b"Stagedoor-Parts, Cache-Status, Server-Timing, "
        b"X-Total-Count, Link, Did-You-Mean, Location, ETag, Retry-After, RateLimit, "
        b"RateLimit-Policy, X-Request-ID",
    }


@pytest.mark.parametrize(
    "origin",
    [
        None,
        b"null",
        b"*",
        b"",
        b"https://evil.example",
        b"https://app.example.com.evil.example",
        b"https://app.example.com:443",
        b"https://app.example.com/",
        b"https://APP.example.com",
        b"http://app.example.com",
        b"https://sub.app.example.com",
    ],
)
def test_t21_no_other_origin_is_reflected(origin: bytes | None) -> None:
    """T21: near misses are misses; caches are told all the same that the origin matters."""
    assert told(origin) == {b"vary": b"Origin"}


def test_vary_is_one_field() -> None:
    """An answer that depends on more says all of it."""
    assert told(None, (b"vary", b"Accept")) == {b"vary": b"Accept, Origin"}


@pytest.mark.parametrize("said", [b"*", APP.encode(), b"https://other.example", b"null"])
def test_of_what_a_service_says_nothing_stands_beside_it(said: bytes) -> None:
    """CONTRACTS 17, Fetch 4.9: a page is refused an answer that names two origins, and this one is listed."""
    theirs = (
        (b"access-control-allow-origin", said),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"X-Total-Count"),
    )

    assert told(APP.encode(), *theirs) == told(APP.encode())
    assert told(b"https://other.example", *theirs) == {b"vary": b"Origin", **dict(theirs)}


def test_a_preflight_names_the_methods_of_the_route() -> None:
    """The fields that a page may send, and for how long that is known."""
    asked = {b"origin": APP.encode(), b"access-control-request-method": b"DELETE"}

    assert Cors([APP]).preflight(asked, "GET, HEAD") == (
        (b"access-control-allow-methods", b"GET, HEAD"),
        (
            b"access-control-allow-headers",
            (
                b"Content-Type, If-Match, If-None-Match, Range, If-Range, Idempotency-Key, "
                b"X-Request-ID, Traceparent, Tracestate"
            ),
        ),
        (b"access-control-max-age", b"600"),
    )


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {b"origin": APP.encode()},
        {b"access-control-request-method": b"GET"},
        {b"origin": b"null", b"access-control-request-method": b"GET"},
        {b"origin": b"https://evil.example", b"access-control-request-method": b"GET"},
    ],
)
def test_what_is_no_preflight_of_a_listed_origin_is_none(asked: dict[bytes, bytes]) -> None:
    """It is answered as any OPTIONS is."""
    assert Cors([APP]).preflight(asked, "GET") is None


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example",
        "http://localhost:5173",
        "http://[::1]:3000",
        "http://192.0.2.1",
        "https://my_host:8443",
    ],
)
def test_origins_are_recognised(text: str) -> None:
    """As browsers write them (RFC 6454, 6.2)."""
    assert is_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "a.example",
        "https://",
        "https://*.example",
        "https://a.example/",
        "https://a.example/path",
        "https://a.example?q",
        "https://A.example",
        "HTTPS://a.example",
        "https://a.example:443",
        "http://a.example:80",
        "https://a.example:",
        "https://a.example:65536",
        "https://u@a.example",
        "https://\u0430.example",
        "https://a.example ",
        "ftp://a.example",
    ],
)
def test_what_no_browser_sends_is_a_mistake(text: str) -> None:
    """An entry that can never match is worse than none."""
    with pytest.raises(ConfigError, match="exact origin"):
        Cors([text])


def at_its_limit(env: Env, requests: int) -> Client:
    """Serve pages of a listed origin, so often a minute."""

    async def hello(_: Request) -> WebAnswer:
        return json({})

    throttle = Throttle(Quota(requests=requests, seconds=60), env.clock)
    route = Route(path="/a", handle=hello, public=True)
    return Client(GatewayApp([route], env=env, name="test", throttle=throttle, cors=Cors([APP])))


ASKING = (
    ORIGIN,
    (b"access-control-request-method", b"GET"),
    (b"access-control-request-headers", b"if-none-match"),
)


async def test_a_preflight_below_the_limit_succeeds(env: Env) -> None:
    """Case 22: the browser asks before the page does."""
    client = at_its_limit(env, 4)

    assert (await client.ask("/a", method="OPTIONS", headers=ASKING)).status == 204
    assert (await client.ask("/a", headers=(ORIGIN,))).status == 200


async def test_a_page_may_read_that_it_is_at_its_limit(env: Env) -> None:
    """Case 22: where no preflight is needed."""
    client = at_its_limit(env, 1)
    await client.ask("/a", headers=(ORIGIN,))

    refused = await client.ask("/a", headers=(ORIGIN,))

    assert refused.status == 429
    assert refused.header(b"access-control-allow-origin") == APP.encode()


async def test_a_preflight_at_the_limit_succeeds(env: Env) -> None:
    """Case 22: without an ok status (Fetch 4.8) the page can never read the 429 that follows."""
    client = at_its_limit(env, 1)
    await client.ask("/a", headers=(ORIGIN,))

    assert (await client.ask("/a", method="OPTIONS", headers=ASKING)).status == 204


@pytest.mark.parametrize("path", ["/a", "/nowhere"])
@pytest.mark.parametrize("origin", [APP, "https://evil.example"])
async def test_no_preflight_is_counted_or_refused_for_coming_often(env: Env, origin: str, path: str) -> None:
    """Case 22, T17: also one that is told no, of an origin that is not listed or for a path that there is not."""
    client = at_its_limit(env, 1)
    asking = ((b"origin", origin.encode()), *ASKING[1:])

    statuses = {(await client.ask(path, method="OPTIONS", headers=asking)).status for _ in range(5)}

    assert statuses & {429} == set()
    assert (await client.ask("/a", headers=(ORIGIN,))).status == 200


async def test_a_preflight_that_a_service_answers_is_counted(env: Env) -> None:
    """T17: it costs the service what any other request does."""

    async def hello(_: Request) -> WebAnswer:
        return json({})

    throttle = Throttle(Quota(requests=1, seconds=60), env.clock)
    route = Route(path="/a", handle=hello, method="OPTIONS", public=True)
    client = Client(GatewayApp([route], env=env, name="test", throttle=throttle))

    assert [(await client.ask("/a", method="OPTIONS", headers=ASKING)).status for _ in range(2)] == [200, 429]


async def test_an_options_request_that_is_no_preflight_is_counted(env: Env) -> None:
    """T17: only browsers ask before they ask, and they say so."""
    client = at_its_limit(env, 1)

    assert [(await client.ask("/a", method="OPTIONS")).status for _ in range(2)] == [405, 429]


async def test_preflights_take_no_places_from_requests(env: Env) -> None:
    """Case 22: a limit of four is four answers, whether or not the browser asks first."""
    client = at_its_limit(env, 4)
    statuses = []
    for _ in range(4):
        await client.ask("/a", method="OPTIONS", headers=ASKING)
        statuses.append((await client.ask("/a", headers=(ORIGIN,))).status)

    assert statuses == [200] * 4


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_t20_a_page_of_another_site_writes_nowhere(env: Env, live: bool, method: str) -> None:
    """T20: a route without a limit of its own, or of any, is no way round; reads stay open."""

    async def write(_: Request) -> WebAnswer:
        return json({})

    route = Route(path="/a", handle=write, method=method, public=True, live=live)
    client = Client(GatewayApp([route], env=env, name="shop"))
    asked = await client.ask("/a", method=method, headers=((b"sec-fetch-site", b"cross-site"),))

    assert asked.status == (403 if method == "POST" else 200)
