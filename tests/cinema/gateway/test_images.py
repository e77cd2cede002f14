"""`/api/files/{name}`: contract 6 and 9, over a scripted media service."""

import orjson
import pytest

from stagedoor._call import Call
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports.statuses import refusal
from stagedoor.errors import UpstreamUnavailable
from stagedoor.testing import ManualClock
from tests.cinema.gateway.services import PICTURE, House

NAME = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff.png"
PATH = f"/api/files/{NAME}"


@pytest.fixture
def house(clock: ManualClock) -> House:
    return House(clock, media_token="ours").well()


async def test_an_image_is_shown_under_our_token_and_not_the_clients(house: House) -> None:
    """Contract 11: the media service asks for a token, which no client has to know, or can replace."""
    said = await house.client.ask(PATH, headers=((b"authorization", b"Bearer theirs"), (b"cookie", b"a=b")))

    (call,) = house.media.calls
    assert (said.status, said.body) == (200, b"picture")
    assert call.payload.target == f"/api/files/download/{NAME}".encode()
    assert dict(call.payload.headers)[b"authorization"] == b"Bearer ours"
    assert b"cookie" not in dict(call.payload.headers)
    for name, value in PICTURE.headers:
        assert said.header(name) == value
    assert said.header(b"x-content-type-options") == b"nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/api/files/upload",
        "/api/files/download",
        "/api/files/x.png",
        "/api/files/" + NAME.upper(),
        "/api/files/" + NAME.replace("png", "svg"),
        PATH + "%00.php",
        "/api/files/..%2f" + NAME,
        "/api/files/%2e%2e%2fdownload%2f" + NAME,
    ],
)
async def test_nothing_else_of_the_media_service_is_reached(house: House, path: str) -> None:
    """Contract 6 and 11: by name alone, and only by names that look like ours."""
    said = await house.client.ask(path)

    assert (said.status, orjson.loads(said.body)["detail"]) == (404, "File not found")
    assert not house.media.calls


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_images_are_only_read(house: House, method: str) -> None:
    """Contract 11: no gateway path reaches upload or delete."""
    said = await house.client.ask(PATH, method=method)

    assert (said.status, said.header(b"allow")) == (405, b"GET, HEAD")
    assert not house.media.calls


async def test_the_width_goes_along_and_the_last_one_wins(house: House) -> None:
    """Contract 1.2 and 6: unknown parameters go nowhere, and enter no key."""
    await house.client.ask(PATH + "?width=7&x=1&width=320")
    again = await house.client.ask(PATH + "?width=320&y=2")
    wrong = await house.client.ask(PATH + "?width=321")

    assert [call.payload.target for call in house.media.calls] == [
        f"/api/files/download/{NAME}?width=320".encode()
    ]
    assert again.header(b"cache-status") == b"stagedoor; hit; ttl=86400"
    assert (wrong.status, orjson.loads(wrong.body)["errors"][0]["loc"][:2]) == (422, ["query", "width"])


async def test_a_kept_image_outlives_the_service_and_not_its_meme(house: House, clock: ManualClock) -> None:
    """Contract 6 and 9: uncached images are 503 while media is away; a write drops what it made wrong."""
    await house.client.ask(PATH)
    await house.client.ask(PATH + "?width=160")
    house.media.fails(UpstreamUnavailable)
    kept = [await house.client.ask(PATH + query) for query in ("", "?width=160")]

    await house.running.purge("file:{}", NAME)
    dropped = [await clock.run(house.client.ask(PATH + query)) for query in ("", "?width=160")]

    assert [said.status for said in kept] == [200, 200]
    assert [said.status for said in dropped] == [503, 503]
    assert all(said.header(b"retry-after") for said in dropped)


@pytest.mark.parametrize(("status", "shown"), [(404, 404), (401, 502), (422, 422), (500, 503), (302, 502)])
async def test_a_refusal_is_told_in_our_own_words(clock: ManualClock, status: int, shown: int) -> None:
    """Contract 1.4: `instance` is the path that was asked for; a wrong token is between the two services."""
    problem = orjson.dumps({"detail": "File not found", "instance": "/api/files/download/x"})
    fields = ((b"content-type", b"application/problem+json"),)
    answer = HttpResponse(status=status, headers=fields, body=problem)
    house = House(clock)
    house.media.does(lambda call: _judged(call, answer))

    said = await house.client.ask(PATH)

    document = orjson.loads(said.body)
    assert (said.status, document["instance"]) == (shown, PATH)


def _judged(call: Call[HttpRequest], answer: HttpResponse) -> HttpResponse:
    """Answer as a transport does: what refuses is raised."""
    refused = refusal(call.operation, answer, 0.0)
    if refused is not None:
        raise refused
    return answer
