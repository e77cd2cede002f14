"""What a service learns of who asks: a digest in a field of its own, which no client can write."""

from collections.abc import Sequence

import pytest

from stagedoor import ApiKeys, ApiKeySettings, Gateway
from stagedoor._call import Env
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, ScriptedTransport

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
