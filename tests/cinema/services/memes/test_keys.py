"""Idempotency-Key: one effect, one answer."""

import asyncio

import pytest

from cinema.services.memes.keys import Scope, Turns
from stagedoor._web.routes import RequestRefused
from tests.cinema.services.asking import Asker
from tests.cinema.services.memes.forms import TEXTS, parts, send
from tests.cinema.services.memes.media import PNG, MediaStand


async def test_t20_fifty_at_once_make_one_meme_and_are_answered_alike(
    memes: Asker, media: MediaStand
) -> None:
    """T20 and contract 6."""
    replies = await asyncio.gather(
        *(send(memes, "/api/memes", parts(**TEXTS), idempotency_key="k1") for _ in range(50))
    )

    assert {(one.status, one.body, one.headers["location"], one.headers["etag"]) for one in replies} == {
        (201, replies[0].body, replies[0].headers["location"], replies[0].headers["etag"])
    }
    assert (len((await memes("/memes")).json), len(media.files)) == (1, 1)


async def test_h12_another_payload_under_a_key_is_refused(memes: Asker, media: MediaStand) -> None:
    """H12: texts and octets are what the fingerprint covers; names of parts and of files are not."""
    first = await send(memes, "/memes", parts(**TEXTS), idempotency_key="k1")
    same = await send(
        memes,
        "/api/memes/",
        parts(meme_title="Monday ", description=TEXTS["description"]),
        idempotency_key=" k1 ",
    )
    other = [
        await send(memes, "/memes", parts(PNG + b"!", **TEXTS), idempotency_key="k1"),
        await send(memes, "/memes", parts(**{**TEXTS, "title": "Tuesday"}), idempotency_key="k1"),
    ]

    assert same.body == first.body
    assert [(one.status, one.json["errors"][0]["loc"]) for one in other] == [
        (422, ["header", "Idempotency-Key"])
    ] * 2
    assert len(media.files) == 1


async def test_h12_two_subjects_with_one_key_do_not_meet(memes: Asker, media: MediaStand) -> None:
    """H12, T19: nobody is answered with what another wrote, nor refused for it; nor by anybody unknown."""
    texts = [{**TEXTS, "title": title} for title in ("Monday", "Tuesday", "Wednesday")]
    made = [
        await send(memes, "/memes", parts(**one), idempotency_key="k1", stagedoor_subject=who)
        for one, who in zip(texts, ("a" * 32, "b" * 32, ""), strict=True)
    ]
    again = await send(memes, "/memes", parts(**texts[0]), idempotency_key="k1", stagedoor_subject="a" * 32)

    assert [one.status for one in made] == [201] * 3
    assert len({one.json["id"] for one in made}) == 3
    assert again.body == made[0].body


async def test_a_key_holds_however_the_answer_is_to_look(memes: Asker, media: MediaStand) -> None:
    """Contract 6, on POST: who prefers the page is not answered twice with another meme either."""
    made = [
        await send(memes, "/memes", parts(**TEXTS), idempotency_key="k1", accept=accept)
        for accept in ("text/html", "application/json", "text/html")
    ]
    other = await send(memes, "/memes", parts(PNG + b"!", **TEXTS), idempotency_key="k1", accept="text/html")

    assert [one.status for one in (*made, other)] == [303, 201, 303, 422]
    assert "text/html" in other.headers["content-type"]
    assert (len((await memes("/memes")).json), media.uploads) == (1, 1)


async def test_what_is_no_key_is_refused(memes: Asker, media: MediaStand) -> None:
    """H12: before anything is stored."""
    replies = [
        await send(memes, "/memes", parts(**TEXTS), idempotency_key=key) for key in ("", "a b", "x" * 256)
    ]

    assert [one.status for one in replies] == [422] * 3
    assert media.uploads == 0


async def test_two_keys_are_none(memes: Asker, media: MediaStand) -> None:
    """H12: which of them would count is anybody's guess, and whoever guesses otherwise adds it twice."""
    lines = {"idempotency-key": "k1", "Idempotency-Key": "k2"}  # two of one name
    reply = await send(memes, "/api/memes", parts(**TEXTS), **lines)

    assert (reply.status, reply.json["errors"][0]["loc"]) == (422, ["header", "Idempotency-Key"])
    assert media.uploads == 0


async def test_a_key_is_free_again_after_an_outage(memes: Asker, media: MediaStand) -> None:
    """Contract 6: nothing was created, so the same request may succeed later."""
    media.away = True
    away = await send(memes, "/memes", parts(**TEXTS), idempotency_key="k1")
    media.away = False
    back = await send(memes, "/memes", parts(**TEXTS), idempotency_key="k1")

    assert (away.status, back.status) == (503, 201)


async def test_h12_who_waits_too_long_is_told_to_come_back() -> None:
    """H12: who comes while it runs waits within the limit, then 409; nothing is kept of whom nobody waits for."""
    turns, scope = Turns(), Scope("k1", "POST /memes", "")
    async with turns.taken(scope, 1.0):
        with pytest.raises(RequestRefused) as refused:
            async with turns.taken(scope, 0.001):
                pass
        async with turns.taken(Scope("k2", "POST /memes", ""), 0.001):
            pass

    assert refused.value.problem.status == 409
    assert repr(turns) == "<Turns of 0 keys>"
