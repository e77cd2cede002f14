"""What a service learns of who asks: a digest in a field of its own, which no client can write."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from stagedoor import ApiKeys, ApiKeySettings, Gateway, Jwt, Service
from stagedoor._call import Env
from stagedoor._guards.apikeys import hash_of
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, ScriptedTransport, Stage
from tests.stagedoor.face.guards.tokens import ENVIRONMENT, START, Signer, bearer, published

KEYS = ApiKeys("keys", settings=ApiKeySettings.of(ann="key-of-ann", bob="key-of-bob"))
PAGE = HttpResponse(status=200, headers=((b"cache-control", b"public, max-age=60"),), body=b"[]")


def wall() -> Gateway:
    app = Gateway("wall", deadline=1.0)
    memes = app.service("memes")
    app.proxy("/memes", memes, recognises=KEYS, subject_field="X-Subject")
    app.proxy("/memes", memes, methods={"POST"}, guard=KEYS, subject_field="X-Subject")
    app.proxy("/open", memes, subject_field="X-Subject")
    app.proxy("/plain", memes)
    return app


async def asked(
    env: Env, path: str, *keys: str, method: str = "GET"
) -> tuple[list[HttpResponse], Sequence[Headers]]:
    """Ask with each key in turn, and with a forged field; return the answers and what the service saw of each."""
    script: ScriptedTransport[HttpRequest, HttpResponse] = ScriptedTransport(env.clock)
    script.then(PAGE)
    running = wall().made(env, transports={"memes": script})
    async with running.opened():
        client, answers = Client(running.web), list[HttpResponse]()
        for key in keys:
            fields = ((b"x-api-key", key.encode()),) if key else ()
            answers.append(
                await client.ask(
                    path,
                    method=method,
                    headers=(*fields, (b"x-subject", b"forged"), (b"x_subject", b"forged")),
                )
            )
    return answers, [call.payload.headers for call in script.calls]


def subjects(seen: Sequence[Headers]) -> list[list[bytes]]:
    names = {b"x-subject", b"x_subject"}  # WSGI calls both HTTP_X_SUBJECT
    return [[said for name, said in fields if name in names] for fields in seen]


async def test_t19_whoever_is_let_in_is_one_digest_for_one_subject_alone(env: Env) -> None:
    """T19, T3: neither key nor name is in it, and what a client writes there itself is dropped."""
    _, seen = await asked(env, "/memes", "key-of-ann", "key-of-ann", "key-of-bob", method="POST")

    [[ann], [again], [bob]] = subjects(seen)
    assert ann == again
    assert len({ann, bob, b"forged"}) == 3
    assert len(ann) == len(bob) == 32
    assert not any(name == b"x-api-key" for fields in seen for name, _ in fields)


async def test_a_route_that_recognises_is_open_to_all_and_names_whom_it_knows(env: Env) -> None:
    """Strangers, and those whose key is not good, are served as nobody; the answer of one subject is no other's."""
    answers, seen = await asked(env, "/memes", "", "key-of-nobody", "key-of-ann")

    strangers, ann = subjects(seen)[:2], subjects(seen)[2]
    assert [one.status for one in answers] == [200, 200, 200]
    assert strangers == [[], []]
    assert len(ann) == 1
    assert [one.header(b"vary") for one in answers] == [b"x-api-key"] * 3
    assert [one.header(b"cache-control") for one in answers] == [
        b"public, max-age=60",
        b"public, max-age=60",
        b"private, max-age=60",
    ]


@pytest.mark.parametrize("path", ["/open", "/plain"])
async def test_a_route_without_a_guard_names_nobody(env: Env, path: str) -> None:
    """T3, T19: its field is still no client's to write, on a route that does not speak of it too."""
    _, seen = await asked(env, path, "key-of-ann")

    assert subjects(seen) == [[]]


def test_who_recognises_says_where_the_service_learns_of_it() -> None:
    """And a route that lets only some in has no strangers."""
    app = Gateway("wall")
    memes = app.service("memes")

    with pytest.raises(ConfigError, match=r"recognises= goes with subject_field="):
        app.proxy("/memes", memes, recognises=KEYS)
    with pytest.raises(ConfigError, match=r"without guard="):
        app.proxy("/memes", memes, recognises=KEYS, guard=KEYS, subject_field="x-subject")


def test_t19_a_field_that_says_who_asks_is_not_forwarded_as_well() -> None:
    """T19: what a stranger writes there would go on, and be believed."""
    app = Gateway("wall")
    memes = app.service("memes", forward={"X-Subject"})

    with pytest.raises(ConfigError, match=r"subject_field='x-subject': the service 'memes' forwards it"):
        app.proxy("/memes", memes, guard=KEYS, subject_field="x-subject")


async def _recognised(stage: Stage, service: Service, count: int, **fields: str) -> list[bool]:
    """Ask so often, a second apart, and tell whether the service learned who it was."""
    before = len(stage[service].asked)
    for _ in range(count):
        await stage.get("/wall", **fields)
        await stage.advance(1.0)
    return ["x-subject" in one.headers for one in stage[service].asked[before:]]


async def test_t19_readers_are_known_by_keys_that_came_after_the_start() -> None:
    """T19: nobody asks the guard but readers, who are served as strangers until the keys are there."""
    tokens, app = Jwt("members"), Gateway("club", deadline=1.0)
    wall = app.service("wall")
    app.proxy("/wall", wall, recognises=tokens, subject_field="x-subject")
    old, new = Signer("ES256", "old"), Signer("ES256", "new")
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[wall].says([])
        stage[tokens].fails(503).says(published(old.jwk()), published(old.jwk(), new.jwk()))
        early = await _recognised(stage, wall, 4, **bearer(old.token()))
        rotated = await _recognised(stage, wall, 2, **bearer(new.token()))
        late = await _recognised(stage, wall, 1, **bearer(new.token(exp=START)))
        none = await _recognised(stage, wall, 1)

    assert (early[0], early[-1], rotated, late, none) == (False, True, [False, True], [False], [False])


async def test_t19_readers_are_known_by_a_key_that_was_added_to_the_file(tmp_path: Path) -> None:
    """T19: the file is looked at for them too."""
    keys, app = ApiKeys("keys"), Gateway("club", deadline=1.0)
    wall = app.service("wall")
    app.proxy("/wall", wall, recognises=keys, subject_field="x-subject")
    file = tmp_path / "keys"
    file.write_text(hash_of("one") + " ann\n")
    async with Stage(app, environment={"CLUB_KEYS_KEYS_FILE": str(file)}) as stage:
        stage[wall].says([])
        before = await _recognised(stage, wall, 1, x_api_key="two")
        file.write_text(f"{hash_of('one')} ann\n{hash_of('two')} bob\n")
        after = await _recognised(stage, wall, 1, x_api_key="two")
        for _ in range(500):  # a thread reads it, while the clock of the stage stands
            if not after[-1]:
                await asyncio.sleep(0.01)
                after += await _recognised(stage, wall, 1, x_api_key="two")

    assert (before, after[0], after[-1]) == ([False], False, True)
