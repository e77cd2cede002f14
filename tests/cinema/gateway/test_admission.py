"""CONTRACTS 17: the limit per client and the pages of other origins, over the whole gateway."""

from typing import Any

import http_sf
import pytest

from cinema.gateway.admission import admission
from cinema.settings import Settings
from stagedoor._call import Env
from stagedoor._face.stores import stores_of
from stagedoor._web.shared_throttle import SharedThrottle
from stagedoor._web.throttle import Throttle
from stagedoor.testing import Client, ManualClock
from tests.cinema.gateway.services import House

EXEMPT = (
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/api/docs",
    "/api/openapi",
    "/api/redoc",
    "/api/openapi.json",
    "/v1/docs",
    "/v1/openapi.json",
)
COUNTED = (
    ("/", 200),
    ("/api/profile/user123", 200),
    ("/api/profile/user123", 200),
    ("/api/profile/%00", 422),
    ("/api/v1/films?page_size=0", 422),
    ("/api/v1/genres", 200),
    ("/nowhere", 404),
    ("/api/cache/stats", 200),
    ("/api/system/info", 200),
)
APP = "https://app.example.com"


def left(field: bytes | None) -> int:
    """Read `r` as any client would."""
    assert field is not None
    parsed: Any = http_sf.parse(field, tltype="list")
    ((name, parameters),) = parsed
    assert name == "default"
    assert parameters["t"] >= 1
    return int(parameters["r"])


async def filled(clock: ManualClock, **settings: Any) -> House:
    house = House(clock, **settings).well()
    await house.engine.fill(genres=[{"id": "00000000-0000-4000-8000-000000000001", "name": "Drama"}])
    return house


async def test_t17_every_counted_answer_says_what_is_left(clock: ManualClock) -> None:
    """T17, H11: pages, mistakes and hits alike, by 1 each time."""
    house = await filled(clock)
    answers = [await house.client.ask(target) for target, _ in COUNTED]

    assert [answer.status for answer in answers] == [status for _, status in COUNTED]
    assert [left(answer.header(b"ratelimit")) for answer in answers] == list(range(11_999, 11_990, -1))
    assert {answer.header(b"ratelimit-policy") for answer in answers} == {b'"default";q=12000;w=60'}


async def test_t17_an_answer_that_the_client_holds_already_counts(clock: ManualClock) -> None:
    """H11: 304 carries the two fields as well."""
    house = await filled(clock)
    etag = (await house.client.ask("/api/v1/genres")).header(b"etag")
    assert etag is not None
    again = await house.client.ask("/api/v1/genres", headers=((b"if-none-match", etag),))

    assert (again.status, left(again.header(b"ratelimit"))) == (304, 11_998)


@pytest.mark.parametrize("target", EXEMPT)
async def test_exempt_routes_never_count(clock: ManualClock, target: str) -> None:
    """CONTRACTS 17: a client that used up its limit still gets them, with no word of a limit."""
    house = await filled(clock, gateway_rate_limit="1/60")
    await house.client.ask("/nowhere")
    refused = await house.client.ask("/nowhere")
    answer = await house.client.ask(target)

    assert refused.status == 429
    assert answer.status != 429
    assert answer.header(b"ratelimit") is None


async def test_refusals_are_counted_and_explained(clock: ManualClock) -> None:
    """CONTRACTS 1.4, 15: a problem, `Retry-After` of at least `t`, and one figure."""
    house = await filled(clock, gateway_rate_limit="1/60")
    await house.profile()
    refused = await house.profile()
    metrics = (await house.client.ask("/metrics")).body
    await clock.advance(61.0)

    assert refused.header(b"content-type") == b"application/problem+json"
    assert b'"type":"urn:problem-type:cinema:rate-limited"' in refused.body
    assert refused.header(b"retry-after") == b"61"
    assert refused.header(b"ratelimit") == b'"default";r=0;t=60'
    assert b"rate_limited_total 1.0" in metrics
    assert b'endpoint="/api/profile/{user_id}",method="GET",status="429"' in metrics
    assert (await house.profile()).status == 200


async def test_zero_is_off(clock: ManualClock) -> None:
    """No count, no field."""
    house = await filled(clock, gateway_rate_limit="0")

    assert (await house.profile()).header(b"ratelimit") is None


async def test_h8_clients_behind_the_proxies_of_the_settings_are_told_apart(clock: ManualClock) -> None:
    """H8: each /64 and each address by itself; a stranger's fields mean nothing."""
    house = await filled(clock, gateway_rate_limit="1/60", gateway_trusted_proxies="10.0.0.0/8,fd00::1")
    asked = [
        ("10.0.0.1", b"192.0.2.1"),
        ("fd00::1", b"192.0.2.2, 10.1.1.1"),
        ("10.0.0.1", b"2001:db8::1"),
        ("10.0.0.1", b"2001:db8::2"),
        ("192.0.2.9", b"192.0.2.8"),
        ("192.0.2.9", b"192.0.2.7"),
    ]
    statuses = [
        (await Client(house.gateway, address=peer).ask("/", headers=((b"x-forwarded-for", told),))).status
        for peer, told in asked
    ]

    assert statuses == [200, 200, 200, 429, 200, 429]


async def test_t21_a_kept_answer_carries_no_other_origins_field(clock: ManualClock) -> None:
    """T21: made for one origin, kept, and sent to another, to none, and to one that is not listed."""
    house = await filled(clock, gateway_cors_origins=f"{APP}, http://localhost:5173")
    origins = (APP.encode(), b"http://localhost:5173", b"https://evil.example", b"null", None)
    for target in ("/api/v1/genres", "/api/profile/user123", "/nowhere"):
        answers = [
            await house.client.ask(target, headers=() if one is None else ((b"origin", one),))
            for one in origins
        ]

        assert [answer.header(b"access-control-allow-origin") for answer in answers] == [
            *origins[:2],
            None,
            None,
            None,
        ]
        assert {answer.header(b"vary") for answer in answers} == {b"Origin"}


async def test_a_preflight_names_what_the_route_serves(clock: ManualClock) -> None:
    """CONTRACTS 17: answered by the gateway; the start page's own `Vary` stays."""
    house = await filled(clock, gateway_cors_origins=APP)
    asked = ((b"origin", APP.encode()), (b"access-control-request-method", b"GET"))
    preflight = await house.client.ask("/api/v1/genres", method="OPTIONS", headers=asked)
    start = await house.client.ask("/", headers=asked[:1])

    assert (preflight.status, preflight.header(b"access-control-allow-methods")) == (204, b"GET, HEAD")
    assert start.header(b"vary") == b"Accept, Accept-Encoding, Origin"


async def test_without_origins_nothing_is_said_of_them(clock: ManualClock) -> None:
    """CONTRACTS 16: an empty list is no list."""
    house = await filled(clock)
    answer = await house.client.ask("/api/v1/genres", headers=((b"origin", APP.encode()),))

    assert not any(name.startswith(b"access-control") or name == b"vary" for name, _ in answer.headers)


def test_the_limit_is_shared_where_there_is_redis(env: Env) -> None:
    """CONTRACTS 17: with Redis over all gateways, without it in this process; documents alone need no Redis."""
    kinds = [
        type(stores_of(admission(settings), "cinema", env).throttle)
        for settings in (
            Settings(),
            Settings(redis_url="redis://x"),
            Settings(redis_url="redis://x", docs_only=True),
            Settings(gateway_rate_limit="0"),
        )
    ]

    assert kinds == [Throttle, SharedThrottle, Throttle, type(None)]
