"""CONTRACTS 16: admin routes with a key only, and who may write."""

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from cinema.gateway.access import operators, writers
from cinema.settings import Settings
from stagedoor import ApiKeys, Jwt
from stagedoor._requests import Headers, HttpResponse
from stagedoor.testing import ManualClock
from tests.cinema.gateway.services import House

KEY = "a key of sixteen characters"
SENT: Headers = ((b"x-admin-key", KEY.encode()), (b"content-type", b"application/json"))


async def ask(house: House, method: str, path: str, said: Any, fields: Headers = SENT) -> HttpResponse:
    body = orjson.dumps(said)
    headers = (*fields, (b"content-length", b"%d" % len(body)))
    return await house.clock.run(house.client.ask(path, method=method, headers=headers, body=body))


async def test_without_a_key_there_are_no_admin_routes(clock: ManualClock) -> None:
    """Contract: 404, whatever is sent."""
    house = House(clock)
    asked = [await ask(house, "POST", "/admin/purge", {"tags": ["films"]})]
    asked.append(await ask(house, "PUT", "/admin/breakers/users", {"state": "open"}))

    assert [one.status for one in asked] == [404, 404]


@pytest.mark.parametrize("key", [b"", b"another key of that length", b"a key of sixteen character"])
async def test_another_key_is_401(clock: ManualClock, key: bytes) -> None:
    """Nothing is dropped and nothing held."""
    house = House(clock, gateway_admin_key=KEY).well()
    wrong = ((b"x-admin-key", key), *SENT[1:]) if key else SENT[1:]
    asked = [await ask(house, "POST", "/admin/purge", {"tags": ["films"]}, wrong)]
    asked.append(await ask(house, "PUT", "/admin/breakers/users", {"state": "open"}, wrong))
    profile = await house.clock.run(house.client.ask("/api/profile/user123"))

    assert [one.status for one in asked] == [401, 401]
    assert [dict(one.headers)[b"www-authenticate"] for one in asked] == [b'ApiKey realm="cinema"'] * 2
    assert profile.status == 200


async def test_a_breaker_is_held_open_and_let_go(clock: ManualClock) -> None:
    """Contract: open, closed or auto; the profile is 503 at once while its required service is held."""
    house = House(clock, gateway_admin_key=KEY).well()
    states = []
    for state in ("open", "closed", "open", "auto"):
        told = await ask(house, "PUT", "/admin/breakers/user_service", {"state": state})
        profile = await house.clock.run(house.client.ask("/api/profile/user123"))
        states.append((told.status, orjson.loads(told.body)["state"], profile.status))

    assert states == [(200, "open", 503), (200, "closed", 200), (200, "open", 200), (200, "auto", 200)]


async def test_what_is_no_service_or_state_is_refused(clock: ManualClock) -> None:
    """404 and 422."""
    house = House(clock, gateway_admin_key=KEY)
    nowhere = await ask(house, "PUT", "/admin/breakers/nobody", {"state": "open"})
    unknown = await ask(house, "PUT", "/admin/breakers/users", {"state": "ajar"})
    untagged = await ask(house, "POST", "/admin/purge", {"tags": []})

    assert [nowhere.status, unknown.status, untagged.status] == [404, 422, 422]


async def test_a_purge_drops_what_bears_the_tag(clock: ManualClock) -> None:
    """Contract: by tag, in every process."""
    house = House(clock, gateway_admin_key=KEY)
    await house.engine.fill()
    lookups = []
    for tags in (None, None, ["films"]):
        if tags is not None:
            assert (await ask(house, "POST", "/admin/purge", {"tags": tags})).status == 204
        answer = await house.clock.run(house.client.ask("/api/v1/films"))
        lookups.append(dict(answer.headers)[b"cache-status"].split(b";")[1])

    assert lookups == [b" fwd=miss", b" hit", b" fwd=miss"]


def test_writing_is_open_until_an_operator_says_otherwise() -> None:
    """Contract: off by default."""
    assert writers(Settings()) is None
    assert operators(Settings()) is None


def test_who_may_write_is_what_the_operator_says() -> None:
    """Keys of a file, or tokens."""
    key = writers(Settings(gateway_auth="key", gateway_api_keys_file=Path("keys")))
    token = writers(Settings(gateway_auth="jwt", gateway_jwt_secret="s" * 32))

    assert isinstance(key, ApiKeys)
    assert isinstance(token, Jwt)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gateway_auth": "key"}, "GATEWAY_API_KEYS_FILE"),
        ({"gateway_auth": "jwt"}, "GATEWAY_JWT_JWKS_URL"),
        ({"gateway_auth": "basic"}, "gateway_auth"),
        ({"gateway_jwt_secret": "hidden"}, "GATEWAY_JWT_SECRET: a secret has 32 bytes"),
        ({"gateway_jwt_jwks_url": "keys"}, "GATEWAY_JWT_JWKS_URL"),
        ({"gateway_jwt_secret": "s" * 32, "gateway_jwt_algorithms": "none"}, "GATEWAY_JWT_ALGORITHMS"),
        ({"gateway_jwt_secret": "s" * 32, "gateway_jwt_jwks_url": "https://x.example"}, "GATEWAY_JWT_SECRET"),
        ({"gateway_jwt_leeway_s": 601}, "gateway_jwt_leeway_s"),
        ({"gateway_admin_key": "short"}, "gateway_admin_key"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], told: str) -> None:
    """By the name of the variable."""
    with pytest.raises(ValidationError, match=told):
        Settings(**given)


WRITES = [
    (method, path)
    for base in ("/api/memes", "/memes")
    for method, path in (
        ("POST", base),
        ("PUT", f"{base}/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"),
        ("DELETE", f"{base}/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"),
        ("PATCH", f"{base}/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff/image"),
        ("PATCH", f"{base}/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff/update_image"),
    )
] + [("POST", f"/memes/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff/{form}") for form in ("edit", "image", "delete")]


@pytest.mark.parametrize("kind", ["key", "jwt"])
async def test_writing_memes_needs_a_subject_and_reading_does_not(
    clock: ManualClock, tmp_path: Path, kind: str
) -> None:
    """Contract 16: reading stays open; no write passes, whatever its path, and memes hears of none."""
    (tmp_path / "keys").write_text(hashlib.sha256(b"k").hexdigest() + " acme")
    house = House(
        clock,
        gateway_auth=kind,
        gateway_api_keys_file=tmp_path / "keys",
        gateway_jwt_secret="s" * 32,
    )
    house.memes.then(HttpResponse(status=200, headers=SENT[1:], body=b"[]"))
    refused = [await ask(house, method, path, {"title": "x"}, SENT[1:]) for method, path in WRITES]
    heard = len(house.memes.calls)
    read = await clock.run(house.client.ask("/api/memes"))

    assert {one.status for one in refused} == {401}
    assert heard == 0
    assert read.status == 200


async def test_a_key_lets_its_owner_write(clock: ManualClock, tmp_path: Path) -> None:
    """And the key itself stays here."""
    (tmp_path / "keys").write_text(hashlib.sha256(b"k").hexdigest() + " acme")
    house = House(clock, gateway_auth="key", gateway_api_keys_file=tmp_path / "keys")
    house.memes.then(HttpResponse(status=204))
    fields = ((b"x-api-key", b"k"), SENT[1])
    written = await ask(house, *WRITES[2], {}, fields)

    assert written.status == 204
    assert b"x-api-key" not in dict(house.memes.calls[0].payload.headers)


async def test_the_meme_service_learns_who_writes_and_whom_the_wall_knows(
    clock: ManualClock, tmp_path: Path
) -> None:
    """Contract 16: by a digest; reading stays open, and nobody passes for another."""
    file = tmp_path / "keys"
    file.write_text(f"{hashlib.sha256(KEY.encode()).hexdigest()}  ann\n")
    house = House(clock, gateway_auth="key", gateway_api_keys_file=file)
    meme = {"id": "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff", "title": "Monday", "description": "cat"}
    house.memes.then(HttpResponse(status=200, headers=((b"content-type", b"text/html"),), body=b"<p>"))
    forged, mine = ((b"stagedoor-subject", b"x" * 32),), ((b"x-api-key", KEY.encode()),)
    html = ((b"accept", b"text/html"),)
    for fields in ((*html, *forged), (*html, *forged, *mine)):
        assert (await house.client.ask("/memes", headers=fields)).status == 200
    refused = await house.client.ask(f"/memes/{meme['id']}/delete", method="POST", headers=forged)

    seen = [
        [said for name, said in call.payload.headers if name == b"stagedoor-subject"]
        for call in house.memes.calls
    ]
    assert seen[0] == []
    assert len(seen[1]) == 1
    assert seen[1] != [b"x" * 32]
    assert refused.status == 401
    assert len(house.memes.calls) == 2
