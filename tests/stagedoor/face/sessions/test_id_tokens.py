"""ID tokens: what the provider says of who logged in, and what else somebody might pass for that."""

import json
from typing import Any

import pytest

from stagedoor._guards.denials import Denied
from stagedoor._guards.sessions.id_token import validate_id_claims
from tests.stagedoor.face.guards.tokens import START, Signer, forged, signed_with
from tests.stagedoor.face.sessions.browser import COOKIE, opened
from tests.stagedoor.face.sessions.provider import CLIENT, SECRET, Provider

STRANGER = Signer("ES256", "one")
CROOKED: list[dict[str, Any]] = [
    {"iss": "https://evil.example"},
    {"iss": None},
    {"aud": "another client"},
    {"aud": None},
    {"aud": []},
    {"aud": ["another client"]},
    {"aud": [CLIENT, "another client"]},  # which of them it was given to, it does not say
    {"aud": [CLIENT, "another client"], "azp": "another client"},
    {"azp": "another client"},
    {"azp": 7},
    {"exp": START},
    {"exp": None},
    {"exp": "soon"},
    {"iat": None},
    {"iat": True},
    {"iat": START + 3_600},
    {"nbf": START + 60},
    {"nonce": None},
    {"nonce": ""},
    {"nonce": "n" * 43},
    {"nonce": 7},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"at_hash": "x"},
    {"at_hash": 7},
]


def nested(levels: int) -> list[Any]:
    """Return lists in one another."""
    found: list[Any] = []
    for _ in range(levels - 1):
        found = [found]
    return found


async def logged_in(provider: Provider) -> bool:
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        answer = await browser.login()
        assert answer.status in {303, 400}
        assert (COOKIE in browser.jar) == (answer.status == 303)
        return answer.status == 303


@pytest.mark.parametrize("claims", CROOKED, ids=json.dumps)
async def test_a_token_that_was_not_made_for_this_login_logs_nobody_in(claims: dict[str, Any]) -> None:
    """W5, OpenID Connect Core 3.1.3.7: issuer, audience, party, times, nonce, and the access token it belongs to."""
    assert not await logged_in(Provider(claims=claims))


@pytest.mark.parametrize(
    "claims", [{"at_hash": None}, {"azp": CLIENT}, {"aud": [CLIENT]}, {"aud": [CLIENT, "x"], "azp": CLIENT}]
)
async def test_what_a_token_may_leave_out_or_say_besides_harms_nobody(claims: dict[str, Any]) -> None:
    """OpenID Connect Core 3.1.3.7: `azp` and `at_hash` are optional."""
    assert await logged_in(Provider(claims=claims))


@pytest.mark.parametrize(("levels", "good"), [(90, True), (300, False)])
async def test_claims_that_a_session_could_not_keep_log_nobody_in(levels: int, *, good: bool) -> None:
    """W5: what somebody may have written into their own profile is no failure of ours."""
    assert await logged_in(Provider(claims={"more": nested(levels)})) is good


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "secevent+jwt"])
async def test_no_token_of_another_kind_passes_for_one(kind: str) -> None:
    """W5, RFC 8725 3.11, RFC 9068 4: an access token of the same issuer is signed with the same key."""
    assert not await logged_in(Provider(head={"typ": kind}))


async def test_a_token_of_a_stranger_is_none() -> None:
    """W5: the signature is of somebody else, under the id of a key that is published."""
    assert not await logged_in(Provider(signer=STRANGER))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_the_usual_algorithms_are_read(algorithm: str) -> None:
    """W5: those that are pinned unless others are said."""
    signer = Signer(algorithm, "two")
    provider = Provider(signer=signer, published=[signer])

    assert await logged_in(provider)


@pytest.mark.parametrize("trick", ["none", "None", "HS256 with the secret", "HS256 with the key"])
async def test_the_algorithm_is_never_the_tokens_choice(trick: str) -> None:
    """W5, RFC 8725 2.1: no signature, or one that anybody who knows a public text could make."""
    provider = Provider()
    claims = {"iss": provider.issuer, "aud": CLIENT, "sub": "ann", "exp": START + 300, "iat": START}
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        began = await browser.get("/auth/login")
        address = began.header("location")
        nonce = address.partition("nonce=")[2].partition("&")[0]
        provider.given = {"id_token": _tricked(trick, {**claims, "nonce": nonce})}
        back = provider.authorize(address, "ann")
        answer = await browser.get(back.removeprefix("https://shop.example"), site="cross-site")

        assert answer.status == 400


def _tricked(trick: str, claims: dict[str, Any]) -> str:
    if trick.startswith("HS256"):
        key = SECRET if trick.endswith("secret") else json.dumps(Provider().signer.jwk())
        return signed_with(key.encode(), {"alg": "HS256", "kid": "one"}, claims)
    return forged({"alg": trick}, claims)


async def test_a_key_that_is_new_costs_no_login() -> None:
    """Issue 14: an unknown id is looked for at once."""
    provider = Provider()
    async with opened(provider) as shop:
        await shop.browser(provider).login()
        provider.signer = Signer("ES256", "two")
        provider.published = [*provider.published, provider.signer]
        answer = await shop.browser(provider).login()

        assert answer.status == 303


async def test_claims_that_are_not_those_of_the_model_let_nobody_in() -> None:
    """They are read as the guard's model, as those of bearer tokens."""
    provider = Provider(claims={"plan": ["gold"]})
    async with opened(provider) as shop:
        browser = shop.browser(provider)
        await browser.login()
        answer = await browser.get("/me")

        assert answer.status == 401


async def test_who_is_called_the_same_by_two_providers_is_two() -> None:
    """T4: subject and issuer together are an identity (Core 2)."""
    one, two = Provider(), Provider(issuer="https://other.example")
    greetings = []
    for provider in (one, two):
        async with opened(provider) as shop:
            browser = shop.browser(provider)
            await browser.login("ann")
            greetings.append((await browser.get("/home")).header("cache-status"))

    assert greetings == ["stagedoor; fwd=miss; stored"] * 2


@pytest.mark.parametrize("nonce", ["", "x", "n" * 43, None, 7, ["n"]])
def test_a_nonce_is_exactly_the_one_that_was_sent(nonce: object) -> None:
    """W5: pure, for every other value."""
    claims = {"aud": CLIENT, "iat": START, "nonce": nonce}

    with pytest.raises(Denied):
        validate_id_claims(claims, CLIENT, "m" * 43, START)
