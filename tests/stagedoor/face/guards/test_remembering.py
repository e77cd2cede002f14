"""A signature is checked once, everything else each time; and who asks is told at once where it can be."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from stagedoor import Gateway, Jwt
from stagedoor._face.guarding import Guarding
from stagedoor._guards import tokens
from stagedoor._guards.apikeys import ApiKeyCheck, KeyTable, read_lines
from stagedoor._guards.jwks import LIFETIME
from stagedoor._guards.keyfile import KeyFile
from stagedoor._requests import Headers
from stagedoor.testing import Client, ManualClock, Stage
from tests.stagedoor.face.guards.tokens import ENVIRONMENT, SECRET, START, Signer, bearer, published
from tests.stagedoor.face.members import app, bookings, members, partners

KEY, NEW = Signer("ES256", "one"), Signer("ES256", "two")


def sent(fields: Mapping[str, str]) -> Headers:
    return tuple((name.encode(), said.encode()) for name, said in fields.items())


async def test_t19_a_token_that_is_known_expires_all_the_same() -> None:
    """T19: its claims are judged by the clock of each request."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(KEY.jwk()))
        stage[bookings].says([])
        token = bearer(KEY.token(exp=START + 10))
        early = await stage.get("/club", **token)
        await stage.advance(10)
        late = await stage.get("/club", **token)

        assert (early.status, late.status) == (200, 401)


async def test_t19_a_token_that_is_known_goes_with_its_key() -> None:
    """T19: a key that was taken back takes its tokens along, whether it left or was changed under its id."""
    changed = Signer("ES256", "one")
    for after in (published(NEW.jwk()), published(changed.jwk())):
        async with Stage(app, environment=ENVIRONMENT) as stage:
            stage[members].says(published(KEY.jwk()), after)
            stage[bookings].says([])
            token = bearer(KEY.token(exp=START + 10_000))
            statuses = [(await stage.get("/club", **token)).status]
            await stage.advance(LIFETIME)
            statuses.append((await stage.get("/club", **token)).status)
            await stage.advance(0)
            statuses.append((await stage.get("/club", **token)).status)

            assert statuses == [200, 200, 401]


async def test_tokens_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten, and checked again when it comes."""
    monkeypatch.setattr(tokens, "_REMEMBERED", 2)
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(KEY.jwk()))
        stage[bookings].says([])
        brought = [bearer(KEY.token(sub=f"ann{one}")) for one in range(5)]
        statuses = [(await stage.get("/club", **one)).status for one in (*brought, *brought)]

        assert statuses == [200] * 10


async def test_who_asks_is_told_at_once_where_it_can_be(tmp_path: Path) -> None:
    """T17: a limit per subject counts whom a guard has recognised, and nobody who only says so."""
    file = tmp_path / "keys"
    file.write_text(hashlib.sha256(b"k").hexdigest() + " acme")
    environment = ENVIRONMENT | {"CLUB_PARTNERS_KEYS_FILE": str(file)}
    async with Stage(app, environment=environment) as stage:
        stage[members].says(published(KEY.jwk()))
        stage[bookings].says([])
        guards = stage.running.guards  # what limits will ask
        token = KEY.token()
        before = guards.of(members).subject(sent(bearer(token)))
        await stage.get("/club", **bearer(token))

        said = [
            guards.of(members).subject(sent(bearer(one)))
            for one in (token, KEY.token(sub="bob"), KEY.token(exp=1), NEW.token(), "junk", "")
        ]
        keys = [
            guards.of(partners).subject(((b"x-api-key", one),)) for one in (b"k", b"guess", b"", b"k" * 5_000)
        ]

        assert before == ""
        assert said == ["members:ann", "members:bob", "", "", "", ""]
        assert keys == ["partners:acme", "", "", ""]
        assert guards.of(partners).subject(()) == ""
        assert guards.of(members).subject(sent(stage.credentials(members, "eve"))) == "members:eve"
        assert Guarding(members, None, "club").subject(()) == ""


async def test_t17_subjects_of_two_issuers_are_two_clients() -> None:
    """T17: where anybody may issue tokens, nobody uses up the limit of another issuer's subject of that name."""
    environment = {"CLUB_MEMBERS_SECRET": SECRET, "CLUB_MEMBERS_AUDIENCE": "club", "CLUB_RATE_LIMIT": "2/60"}
    signer = Signer("HS256", "any", SECRET)
    async with Stage(app, environment=environment) as stage:
        stage[bookings].says([])
        asked = [bearer(signer.token(iss=one)) for one in ("x", "x", "x", "y", "xy", None)]
        twin = bearer(signer.token(iss="xa", sub="nn"))
        statuses = [(await stage.get("/club", **one)).status for one in (*asked, twin)]

        assert statuses == [200, 200, 429, 200, 200, 200, 200]


def test_a_file_tells_at_once_what_it_said_last(tmp_path: Path) -> None:
    """Without a look at the disk."""
    file = tmp_path / "keys"
    file.write_text(hashlib.sha256(b"k").hexdigest() + " acme")
    check = ApiKeyCheck(b"x-api-key", KeyFile("keys", file, ManualClock()))
    fixed = ApiKeyCheck(b"x-api-key", KeyTable(read_lines([hashlib.sha256(b"k").hexdigest() + " bell"])))

    assert [one.subject(((b"x-api-key", b"k"),)) for one in (check, fixed)] == ["acme", "bell"]


async def test_a_shared_secret_opens_tokens_of_any_id() -> None:
    """Nobody publishes it, so that an id means nothing."""
    one = Gateway("one")
    guard = Jwt("shared")

    @one.get("/in", guard=guard)
    async def inside() -> str:
        return "in"

    signer = Signer("HS256", "whatever", SECRET)
    async with Stage(one, environment={"ONE_SHARED_SECRET": SECRET}) as stage:
        good = signer.token({"sub": "ann", "exp": START + 60})
        bad = Signer("HS256", "whatever", SECRET + "x").token({"sub": "ann", "exp": START + 60})
        bare = signer.token({"sub": "ann", "exp": START + 60}, head={"typ": "JWT"})
        odd = Signer("HS256", "whatever", SECRET + "x").token(
            {"sub": "ann", "exp": START + 60}, head={"typ": "JWT"}
        )
        statuses = [(await stage.get("/in", **bearer(token))).status for token in (good, bad, bare, odd)]

        assert statuses == [200, 401, 200, 401]


async def test_keys_come_over_the_wire_through_our_own_client() -> None:
    """Issue 14: a real address, with a path and a query; what is sent is no more than a question."""
    heard: list[bytes] = []
    body = orjson.dumps(published(KEY.jwk()))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        environment = {"ONE_MEMBERS_JWKS_URL": f"http://127.0.0.1:{port}/tenant/jwks?p=policy"}
        one = Gateway("one")

        @one.get("/in", guard=Jwt("members"))
        async def inside() -> str:
            return "in"

        async with one.made(environment=environment).opened() as running:
            token = KEY.token({"sub": "ann", "exp": time.time() + 60})
            answers = [
                await Client(running).ask("/in", headers=sent(bearer(said)))
                for said in (token, token, token + "A")
            ]

    assert [one.status for one in answers] == [200, 200, 401]
    assert len(heard) == 1
    assert heard[0].startswith(b"GET /tenant/jwks?p=policy HTTP/1.1\r\n")
    assert b"x-request-id" not in heard[0].lower()
    assert b"traceparent" not in heard[0].lower()
