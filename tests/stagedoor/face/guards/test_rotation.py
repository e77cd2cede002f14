"""Published keys: fetched once for all, again when a new id appears or they are old, and kept through outages."""

import asyncio
import logging
from typing import Any

import pytest

from stagedoor._guards.jwks import COOLDOWN, LIFETIME, RETRY, Fetches, due
from stagedoor.testing import Client, Reply, Stage, settle
from tests.stagedoor.face.guards.tokens import ENVIRONMENT, START, Signer, ask_at_once, bearer, published
from tests.stagedoor.face.members import app, bookings, members

OLD, NEW, STRANGER = Signer("ES256", "old"), Signer("ES256", "new"), Signer("ES256", "strange")
LONG = START + 10_000


async def ask(stage: Stage, signer: Signer, **more: Any) -> Reply:
    return await stage.get("/club", **bearer(signer.token(exp=LONG, **more)))


async def test_keys_are_fetched_once_for_all_that_ask_at_once() -> None:
    """Issue 14: fifty callers, one fetch."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].after(0.05).says(published(OLD.jwk()))
        stage[bookings].says([])
        callers = [bearer(OLD.token(exp=LONG, sub=f"ann{n}")) for n in range(50)]
        replies = await ask_at_once(stage, callers)

        assert {one.status for one in replies} == {200}
        assert len(stage[members].asked) == 1
        assert stage[members].asked[0].path == "/jwks"


async def test_a_fetch_tells_nothing_of_who_caused_it() -> None:
    """T4: it belongs to no request."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()))
        stage[bookings].says([])
        await stage.get("/club", cookie="sid=1", **bearer(OLD.token()))

        assert set(stage[members].asked[0].headers) == {"accept"}


async def test_a_rotation_costs_no_request() -> None:
    """Issue 14: a new id is looked for at once, also right after the first fetch."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()), published(OLD.jwk(), NEW.jwk()))
        stage[bookings].says([])
        statuses = [(await ask(stage, one)).status for one in (OLD, NEW, OLD, NEW)]

        assert statuses == [200] * 4
        assert len(stage[members].asked) == 2


async def test_a_flood_of_unknown_ids_costs_one_fetch_a_cooldown() -> None:
    """Issue 14: a made-up id is free to make; the known ones are served all the while."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()))
        stage[bookings].says([])
        await ask(stage, OLD)
        for number in range(40):
            flood = [bearer(STRANGER.token(head={"kid": f"{number}-{one}"}, exp=LONG)) for one in range(5)]
            replies = await ask_at_once(stage, flood)
            assert {one.status for one in replies} == {401}
            assert (await ask(stage, OLD)).status == 200
            await stage.advance(COOLDOWN / 10)

        assert 1 + 4 <= len(stage[members].asked) <= 1 + 4 + 1


async def test_a_key_published_a_cooldown_before_costs_no_request_in_a_flood() -> None:
    """Issue 14, in these words."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()), published(OLD.jwk()), published(OLD.jwk(), NEW.jwk()))
        stage[bookings].says([])
        await ask(stage, OLD)
        await ask(stage, STRANGER)
        early = await ask(stage, NEW)
        await stage.advance(COOLDOWN)
        late = await ask(stage, NEW)

        assert (early.status, late.status) == (401, 200)


@pytest.mark.parametrize("outage", ["refused", "hangs", "500", "no JSON", "no keys", "redirect", "unusable"])
async def test_keys_once_fetched_go_on_in_an_outage(outage: str, caplog: pytest.LogCaptureFixture) -> None:
    """Issue 14: known ids are served, unknown ones are 401, however the outage looks and however long it is."""
    caplog.set_level(logging.ERROR)
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()))
        stage[bookings].says([])
        await ask(stage, OLD)
        _break(stage, outage)
        statuses = []
        for _ in range(3):
            await stage.advance(2 * LIFETIME)
            statuses += [(await ask(stage, one)).status for one in (OLD, STRANGER, OLD)]

        assert statuses == [200, 401, 200] * 3


async def test_a_key_that_was_taken_back_is_not_believed_once_more_after_a_silence() -> None:
    """Issue 14: nobody asked for an hour, so nobody has fetched; then who holds the key asks, twenty times at once."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()))
        stage[bookings].says([])
        await ask(stage, OLD)
        stage[members].after(0.05).says(published(NEW.jwk()))
        before = len(stage[members].asked)
        await stage.advance(3_600)
        stolen = [bearer(OLD.token(exp=LONG, sub=f"ann{n}")) for n in range(20)]
        replies = await ask_at_once(stage, stolen)
        good = await ask(stage, NEW)

        assert {one.status for one in replies} == {401}
        assert good.status == 200
        assert len(stage[members].asked) == before + 1


async def test_after_a_silence_an_outage_is_waited_for_once_and_half_the_time() -> None:
    """Issue 14: keys once fetched go on being used; what hangs costs the first one 150 of its 300 ms, nobody else."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()))
        stage[bookings].says([])
        await ask(stage, OLD)
        _break(stage, "hangs")
        await stage.advance(3_600)
        began = stage.clock.now()
        first = await ask(stage, OLD)
        took = stage.clock.now() - began
        await stage.advance(10)
        began = stage.clock.now()
        second = await ask(stage, OLD, sub="bob")

        assert (first.status, second.status) == (200, 200)
        assert 0.1 < took < 0.2
        assert stage.clock.now() - began < 0.01


@pytest.mark.parametrize("outage", ["refused", "hangs", "500", "no JSON", "no keys", "redirect", "unusable"])
async def test_a_gateway_that_never_had_keys_answers_503(outage: str) -> None:
    """Issue 14: nobody can tell whose fault it is; a second after they come, it is whole."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        _break(stage, outage)
        first, second = await ask(stage, OLD), await ask(stage, OLD)
        bad = await stage.get("/club", authorization="Bearer a.b.c")
        without = await stage.get("/club")
        stage[members].says(published(OLD.jwk()))
        stage[bookings].says([])
        await stage.advance(RETRY + 2)
        whole = [(await ask(stage, OLD)).status for _ in range(2)]

        assert [first.status, second.status, bad.status, without.status] == [503, 503, 401, 401]
        assert first.header("retry-after") == "1"
        assert whole[-1] == 200


def _break(stage: Stage, outage: str) -> None:
    script = stage[members]
    match outage:
        case "refused":
            script.fails()
        case "hangs":
            script.hangs()
        case "500":
            script.fails(500)
        case "no JSON":
            script.says(b"<html>")
        case "no keys":
            script.says({"keys": []})
        case "redirect":
            script.says(b"", status=302, headers={"location": "https://evil.example/"})
        case "unusable":
            script.says(
                published({"kty": "oct", "k": "c2VjcmV0", "kid": "old"}, OLD.jwk(use="enc", kid="old"))
            )


async def test_keys_that_were_taken_back_are_refused_after_their_lifetime() -> None:
    """T19: a revoked one is refused at the next renewal, which goes on behind a request."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk(), NEW.jwk()), published(NEW.jwk()))
        stage[bookings].says([])
        await ask(stage, OLD)
        await stage.advance(LIFETIME)
        last = await ask(stage, OLD)
        await stage.advance(0)
        then = await ask(stage, OLD)

        assert (last.status, then.status) == (200, 401)


async def test_who_leaves_does_not_end_the_fetch_for_others() -> None:
    """X3: the fetch is shared, and nobody's own."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].after(0.1).says(published(OLD.jwk()))
        stage[bookings].says([])
        headers = ((b"authorization", bearer(OLD.token())["authorization"].encode()),)
        leaving = Client(stage.running)
        first = asyncio.ensure_future(leaving.ask("/club", headers=headers))
        second = asyncio.ensure_future(Client(stage.running).ask("/club", headers=headers))
        await settle()
        leaving.leave()
        reply = await stage.run(second)
        await asyncio.wait((first,))

        assert reply.status == 200
        assert len(stage[members].asked) == 1


async def test_a_token_without_an_id_is_tried_with_every_key_that_fits() -> None:
    """RFC 7515 4.1.4: the id is optional."""
    head = {"typ": "JWT"}
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(OLD.jwk()), published(OLD.jwk(), NEW.jwk()))
        stage[bookings].says([])
        statuses = [
            (await stage.get("/club", **bearer(one.token(head=head)))).status
            for one in (OLD, NEW, STRANGER, OLD)
        ]

        assert statuses == [200, 200, 401, 200]
        assert len(stage[members].asked) == 2


NEVER = float("-inf")


@pytest.mark.parametrize(
    ("past", "now", "known", "expected"),
    [
        (Fetches(), 0.0, False, "wait"),
        (Fetches(asked=10.0), 10.5, False, "no"),
        (Fetches(asked=10.0), 10.0 + RETRY, False, "wait"),
        (Fetches(10.0, NEVER, 10.0), 10.0, False, "wait"),
        (Fetches(10.0, 10.0, 10.0), 10.0 + COOLDOWN - 0.1, False, "no"),
        (Fetches(10.0, 10.0, 10.0), 10.0 + COOLDOWN, False, "wait"),
        (Fetches(10.0, 10.0, 10.0), 10.0 + LIFETIME - 0.1, True, "no"),
        (Fetches(10.0, 10.0, 10.0), 10.0 + LIFETIME, True, "behind"),
        (Fetches(10.0 + LIFETIME, 10.0, 10.0), 10.0 + LIFETIME, True, "no"),
        (Fetches(10.0, 10.0, 10.0), 10.0 + LIFETIME + COOLDOWN - 0.1, True, "behind"),
        (Fetches(10.0, 10.0, 10.0), 10.0 + LIFETIME + COOLDOWN, True, "wait"),
        (Fetches(500.0, 10.0, 10.0), 500.0 + COOLDOWN, True, "behind"),
        (Fetches(500.0, 10.0, 10.0), 500.0 + LIFETIME + COOLDOWN, True, "wait"),
    ],
)
def test_when_keys_are_fetched(past: Fetches, now: float, known: bool, expected: str) -> None:
    """The decision by itself."""
    assert due(past, now, known=known) == expected
