"""Memes at the gateway: what passes, what is held back, and what a failure behind it looks like."""

from typing import Any

import orjson
import pytest

from cinema.gateway.memes.policies import names_media
from cinema.services.memes.wall.page import Wall, render
from cinema.texts import MEDIA_AWAY
from stagedoor._cache.tags import tag
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import UpstreamRejected, UpstreamUnavailable
from stagedoor.testing import ManualClock
from tests.cinema.gateway.services import House, header

MEME_ID = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
MEME = {
    "id": MEME_ID,
    "title": "Monday",
    "description": "A cat that knows what day it is",
    "created_at": "2026-01-05T10:00:00.123456+00:00",
    "image_url": "/api/files/0b9c.png",
}
JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
FORM = ((b"content-type", b"multipart/form-data; boundary=x"),)


@pytest.fixture
def house(clock: ManualClock) -> House:
    return House(clock)


def said(status: int, value: object = None, *fields: tuple[bytes, bytes]) -> HttpResponse:
    body = b"" if value is None else orjson.dumps(value)
    return HttpResponse(status=status, headers=fields or (JSON,), body=body)


def refusing(status: int, value: object, kind: tuple[bytes, bytes] = PROBLEM) -> Any:
    def act(call: Any) -> HttpResponse:
        response = HttpResponse(status=status, headers=(kind,), body=orjson.dumps(value))
        error = UpstreamRejected if status < 500 else UpstreamUnavailable
        raise error(call.operation, response=response)

    return act


async def test_path_query_and_conditions_go_on_as_they_came(house: House) -> None:
    """H5: and both slash forms are one; the answer's fields are the service's."""
    fields = (
        JSON,
        (b"etag", b'"1"'),
        (b"link", b"</api/memes?limit=2>; rel=first"),
        (b"cache-control", b"no-cache"),
    )
    house.memes.then(said(200, [MEME], *fields))
    answered = await house.client.ask("/api/memes/?limit=2&x=%20", headers=((b"if-none-match", b'"0"'),))

    asked: HttpRequest = house.memes.calls[0].payload
    assert asked.target == b"/api/memes?limit=2&x=%20"
    assert (b"if-none-match", b'"0"') in asked.headers
    assert (answered.status, orjson.loads(answered.body)) == (200, [MEME])
    assert {name: header(answered, name) for name in ("etag", "link", "cache-control")} == {
        name.decode(): value.decode() for name, value in fields[1:]
    }


@pytest.mark.parametrize(
    "response",
    [
        said(200, {"no": "list"}),
        said(200, [{**MEME, "image_url": None}]),
        said(200, [{"id": MEME_ID}]),
        said(200, [MEME], (b"content-type", b"text/plain")),
        said(204),
        said(304),
        said(302, None, (b"location", b"/elsewhere")),
        HttpResponse(status=200, headers=(JSON,), body=b"[{"),
    ],
)
async def test_what_makes_no_sense_is_502(house: House, response: HttpResponse) -> None:
    """Contract 1.4: wrong type, wrong shape, no JSON, a redirect, a 304 nobody asked for."""
    house.memes.then(response)
    answered = await house.client.ask("/memes")

    assert (answered.status, orjson.loads(answered.body)["title"]) == (502, "Upstream garbled")


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (404, PROBLEM, 404),
        (404, (b"content-type", b"text/html"), 404),
        (404, JSON, 404),
        (414, PROBLEM, 414),
        (431, PROBLEM, 431),
        (431, JSON, 431),
        (418, PROBLEM, 502),
        (401, PROBLEM, 502),
    ],
)
async def test_refusals_that_are_promised_pass(
    house: House, status: int, kind: tuple[bytes, bytes], told: int
) -> None:
    """Contract 1.4: a 4xx that is not listed is 502; one that is no problem becomes one, but for pages.

    H6: that a head is too long is said of the client's, also where only the service finds it so.
    """
    house.memes.does(refusing(status, {"status": status, "mine": True}, kind))
    answered = await house.client.ask(f"/api/memes/{MEME_ID}")

    assert answered.status == told
    assert (b"mine" in answered.body) is (told == status and kind is not JSON)


async def test_a_failure_of_the_service_is_503_and_writes_are_sent_once(house: House) -> None:
    """Contract 1.4, 10: never 500 for somebody else's fault; only reads are tried again."""
    house.memes.does(refusing(500, {}))
    read = await house.clock.run(house.client.ask("/memes"))
    reads = len(house.memes.calls)
    written = await house.client.ask(f"/memes/{MEME_ID}", method="DELETE")

    assert (read.status, written.status) == (503, 503)
    assert int(header(read, "retry-after")) >= 1
    assert len(house.memes.calls) == reads + 1


async def test_media_that_is_away_opens_no_breaker(house: House) -> None:
    """Contract 10: memes passes on that media is away, and is well itself."""
    house.memes.does(refusing(503, {"status": 503, "component": "media_service"}))
    for _ in range(30):
        answered = await house.client.ask("/api/memes", method="POST", headers=FORM, body=b"x")
        assert answered.status == 503

    assert len(house.memes.calls) == 30


@pytest.mark.parametrize("path", ["/memes", f"/memes/{MEME_ID}/image"])
async def test_the_wall_says_itself_that_media_is_away_and_that_opens_no_breaker(
    house: House, path: str
) -> None:
    """Contract 6: faults of its forms come as the page, with what was typed; the list and all else still work."""
    page = render(Wall(alert="Away.", media_away=True))
    other = render(Wall(alert=f"<p{MEDIA_AWAY}>"))
    headers = ((b"content-type", b"text/html; charset=utf-8"), (b"retry-after", b"1"))

    def act(call: Any) -> HttpResponse:
        response = HttpResponse(status=503, headers=headers, body=page)
        raise UpstreamUnavailable(call.operation, response=response)

    house.memes.does(act)
    answers = [await house.client.ask(path, method="POST", headers=FORM, body=b"x") for _ in range(30)]

    assert {(one.status, one.body, header(one, "retry-after")) for one in answers} == {(503, page, "1")}
    assert len(house.memes.calls) == 30
    assert (names_media(page), names_media(other)) == (True, False)


async def test_a_write_names_what_is_to_be_dropped_and_the_field_ends_here(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 9: pictures are dropped on replace and delete."""
    house.memes.then(said(204, None, (b"stagedoor-purge", b"file:0b9c.png"), (b"cache-control", b"no-cache")))
    dropped: list[Any] = []

    async def purge(names: Any) -> None:
        dropped.extend(names)

    monkeypatch.setattr(house.running.stores.store, "purge", purge)
    answered = await house.client.ask(f"/api/memes/{MEME_ID}", method="DELETE")

    assert answered.status == 204
    assert header(answered, "stagedoor-purge") == ""
    assert dropped == [tag("file:0b9c.png")]


async def test_an_upload_that_says_it_is_too_long_goes_nowhere(house: House) -> None:
    """Issue 13: limits are enforced before octets travel."""
    fields = (*FORM, (b"content-length", b"30000000"))
    answered = await house.client.ask("/api/memes", method="POST", headers=fields, body=b"x")

    assert (answered.status, house.memes.calls) == (413, [])


@pytest.mark.parametrize(("length", "status"), [(30_000_000, 201), (42_000_000, 413)])
async def test_how_long_an_upload_may_be_is_the_operators(
    clock: ManualClock, length: int, status: int
) -> None:
    """Contract 16: `MEDIA_MAX_BYTES` counts at the gateway too."""
    house = House(clock, media_max_bytes=40_000_000)
    house.memes.then(said(201, MEME))
    fields = (*FORM, (b"content-length", b"%d" % length))
    answered = await house.client.ask("/api/memes", method="POST", headers=fields, body=b"x")

    assert answered.status == status


@pytest.mark.parametrize(
    ("origin", "status"), [(b"https://app.example.com", 201), (b"https://evil.example", 403), (None, 403)]
)
async def test_t20_a_page_of_another_site_cannot_write(
    clock: ManualClock, origin: bytes | None, status: int
) -> None:
    """T20 and contract 1.4: 403, unless its origin is listed; reads stay open."""
    house = House(clock, gateway_cors_origins="https://app.example.com")
    house.memes.then(said(201, MEME)).then(said(200, [MEME]))
    fields = (*FORM, (b"sec-fetch-site", b"cross-site"), *(((b"origin", origin),) if origin else ()))
    answered = await house.client.ask("/memes", method="POST", headers=fields, body=b"x")

    assert answered.status == status
    assert len(house.memes.calls) == (status == 201)
    if status == 403:
        house.memes.then(said(200, [MEME]))
        assert orjson.loads(answered.body)["type"] == "urn:problem-type:cinema:forbidden"


async def test_a_page_of_a_listed_origin_may_send_what_writes_take(clock: ManualClock) -> None:
    """Contract 6 and 17: a browser asks first; without leave neither a key nor a condition could be sent."""
    house = House(clock, gateway_cors_origins="https://app.example.com")
    asks = (
        (b"origin", b"https://app.example.com"),
        (b"access-control-request-method", b"PATCH"),
        (b"access-control-request-headers", b"idempotency-key,if-match"),
    )
    answered = await house.client.ask(f"/api/memes/{MEME_ID}/image", method="OPTIONS", headers=asks)

    assert answered.status == 204
    assert "PATCH" in header(answered, "access-control-allow-methods")
    leave = header(answered, "access-control-allow-headers").lower().split(", ")
    assert {"idempotency-key", "if-match", "content-type", "range"} <= set(leave)


async def test_every_method_of_a_path_is_named(house: House) -> None:
    """Contract 1.2."""
    allowed = [
        header(await house.client.ask(path, method="BREW"), "allow")
        for path in ("/memes", f"/api/memes/{MEME_ID}/", f"/memes/{MEME_ID}/edit")
    ]

    assert allowed == ["GET, HEAD, POST", "DELETE, GET, HEAD, PUT", "POST"]
