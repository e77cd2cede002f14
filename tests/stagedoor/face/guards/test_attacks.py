"""The usual attacks on tokens, as a table: each is 401, and nothing behind the gateway hears of it."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stagedoor.testing import Stage
from tests.stagedoor.face.guards.tokens import (
    CLAIMS,
    ENVIRONMENT,
    START,
    Signer,
    forged,
    part,
    published,
    signed_with,
)
from tests.stagedoor.face.members import app, bookings, members

RSA, EC = Signer("RS256", "rsa-1"), Signer("ES256", "ec-1")
STRANGER = Signer("RS256", "rsa-1")  # the id is known, the key is not
PUBLIC = RSA.key.public_key()
PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SSH = PUBLIC.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
HMAC = {"alg": "HS256", "kid": "rsa-1", "typ": "JWT"}
GOOD = RSA.token()
HEAD, BODY, SIGN = GOOD.split(".")


def head(**more: Any) -> dict[str, Any]:
    return {"kid": "rsa-1", **more}


ATTACKS = {
    "none": forged({"alg": "none", "kid": "rsa-1"}),
    "none, in other letters": forged({"alg": "nOnE", "kid": "rsa-1"}),
    "none, with the signature of another": forged({"alg": "none", "kid": "rsa-1"}, signature=b"x"),
    "no algorithm": forged({"kid": "rsa-1"}),
    "an algorithm that is a list": forged({"alg": ["RS256"], "kid": "rsa-1"}),
    "an empty algorithm": forged({"alg": "", "kid": "rsa-1"}),
    "the public key as a secret, PEM": signed_with(PEM, HMAC),
    "the public key as a secret, PEM without its last line end": signed_with(PEM.strip(), HMAC),
    "the public key as a secret, DER": signed_with(DER, HMAC),
    "the public key as a secret, OpenSSH": signed_with(SSH, HMAC),
    "an empty secret": signed_with(b"", HMAC),
    "the key of another algorithm": forged({"alg": "ES256", "kid": "rsa-1"}, signature=b"\1" * 64),
    "an algorithm that is not pinned": STRANGER.token(head=head(alg="RS512")),
    "r = s = 0": forged({"alg": "ES256", "kid": "ec-1"}, signature=bytes(64)),
    "r = 0": forged({"alg": "ES256", "kid": "ec-1"}, signature=bytes(32) + b"\1" * 32),
    "s = 0": forged({"alg": "ES256", "kid": "ec-1"}, signature=b"\1" * 32 + bytes(32)),
    "r = s = n": forged(
        {"alg": "ES256", "kid": "ec-1"},
        signature=2 * bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    ),
    "a signature of ASN.1": forged(
        {"alg": "ES256", "kid": "ec-1"}, signature=bytes.fromhex("3006020100020100")
    ),
    "no signature": f"{HEAD}.{BODY}.",
    "a signature that is cut": GOOD[:-4],
    "a signature that is padded": f"{GOOD}==",  # RFC 7515 2: all trailing "=" omitted
    "a signature that is padded beyond need": f"{GOOD}====",
    "a signature with a letter of no alphabet": f"{GOOD}!",  # RFC 4648 3.3: decoders pass over it
    "a signature with a blank in it": f"{HEAD}.{BODY}.{SIGN[:9]} {SIGN[9:]}",
    "a signature in the other alphabet": GOOD[: -len(SIGN)] + SIGN.replace("-", "+").replace("_", "/"),
    "other claims under a good signature": f"{HEAD}.{part({**CLAIMS, 'sub': 'bob'})}.{SIGN}",
    "another head over a good signature": f"{part(head(alg='RS256', typ='at+jwt'))}.{BODY}.{SIGN}",
    "the key of a stranger": STRANGER.token(),
    "an embedded jwk": STRANGER.token(head=head(jwk=STRANGER.jwk())),
    "an embedded jwk without an id": STRANGER.token(head={"jwk": STRANGER.jwk()}),
    "jku": STRANGER.token(head=head(jku="https://evil.example/jwks")),
    "jku with an id of its own": STRANGER.token(head={"kid": "evil", "jku": "https://evil.example/jwks"}),
    "x5u": STRANGER.token(head=head(x5u="https://evil.example/cert.pem")),
    "x5c": STRANGER.token(head=head(x5c=["MIIB"])),
    "kid that climbs": STRANGER.token(head={"kid": "../../../dev/null"}),
    "kid that climbs, with an empty secret": signed_with(b"", {"alg": "HS256", "kid": "/dev/null"}),
    "kid that is SQL": STRANGER.token(head={"kid": "' UNION SELECT 'x' --"}),
    "kid that is a command": STRANGER.token(head={"kid": "|whoami"}),
    "kid with NUL": STRANGER.token(head={"kid": "rsa-1\0"}),
    "kid that is an address": STRANGER.token(head={"kid": "https://evil.example/key"}),
    "kid that is empty": STRANGER.token(head={"kid": ""}),
    "kid that is a number": forged({"alg": "RS256", "kid": 1}),
    "kid that is endless": STRANGER.token(head={"kid": "k" * 5_000}),
    "crit": RSA.token(head=head(crit=["exp"], exp=1)),
    "b64 that is false": forged({"alg": "RS256", "kid": "rsa-1", "b64": False, "crit": ["b64"]}),
    "a token of another type": RSA.token(head=head(typ="logout+jwt")),
    "a type that is no text": forged({"alg": "RS256", "kid": "rsa-1", "typ": 1}),
    "expired": RSA.token(exp=START),
    "expired long ago": RSA.token(exp=1),
    "without an end": RSA.token(exp=None),
    "an end that is text": RSA.signed({**CLAIMS, "exp": str(START + 60)}),
    "an end that is true": RSA.signed({**CLAIMS, "exp": True}),
    "a beginning that is text": RSA.signed({**CLAIMS, "nbf": "1"}),
    "an end that is endless": RSA.signed(
        b'{"sub":"ann","aud":"club","iss":"https://issuer.example","exp":1e400}'
    ),
    "not yet valid": RSA.token(nbf=START + 1),
    "of another audience": RSA.token(aud="shop"),
    "of other audiences": RSA.token(aud=["shop", "clubs"]),
    "of no audience": RSA.token(aud=None),
    "an audience that is an object": RSA.signed({**CLAIMS, "aud": [{"club": 1}]}),
    "of another issuer": RSA.token(iss="https://evil.example"),
    "of an issuer with a slash more": RSA.token(iss="https://issuer.example/"),
    "of no issuer": RSA.token(iss=None),
    "of nobody": RSA.token(sub=None),
    "of an empty subject": RSA.token(sub=""),
    "claims that do not fit": RSA.signed({**CLAIMS, "plan": 7}),
    "claims nested deeper than anybody writes": RSA.signed(
        b'%b,"more":%b}' % (json.dumps(dict(CLAIMS)).encode()[:-1], b"[" * 300 + b"]" * 300)
    ),
    "claims that are a list": RSA.signed([CLAIMS["sub"]]),
    "claims that are no JSON": RSA.signed(b"ann"),
    "claims that are no UTF-8": RSA.signed(b'{"sub":"\xff"}'),
    "an audience that is a number": RSA.signed({**CLAIMS, "aud": 1}),
    "an issuer that is a list": RSA.signed({**CLAIMS, "iss": ["https://issuer.example"]}),
    "a subject that is a number": RSA.signed({**CLAIMS, "sub": 1}),
    "one part": "abc",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{SIGN}",
    "five parts, as an encrypted one has": f"{HEAD}.a.b.c.d",
    "a head that is no JSON": f"{part(b'{')}.{BODY}.{SIGN}",
    "a head that is a list": f"{part([1])}.{BODY}.{SIGN}",
    "a head that is no base64": f"!!!.{BODY}.{SIGN}",
    "endless": "a" * 20_000,
    "empty": "",
    "spaces": f"{HEAD} .{BODY}.{SIGN}",
    "letters of elsewhere": f"{GOOD}\xe9",
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_t19_an_attack_is_401_and_nobody_hears_of_it(name: str) -> None:
    """Issue 14: each is refused before a cache, a part or a service is asked."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(RSA.jwk(), EC.jwk()))
        stage[bookings].says([])
        refused = await stage.get("/club", authorization=f"Bearer {ATTACKS[name]}")
        hears = len(stage[bookings].asked)
        admitted = await stage.get("/club", authorization=f"Bearer {GOOD}")

        assert refused.status == 401
        assert refused.header("content-type") == "application/problem+json"
        assert refused.header("www-authenticate").startswith('Bearer realm="club", error="invalid_token"')
        assert hears == 0
        assert admitted.status == 200


@pytest.mark.parametrize("name", ATTACKS)
async def test_t19_an_attack_on_a_warm_cache_is_401(name: str) -> None:
    """T19: what is kept for somebody is not for who only says so."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(RSA.jwk(), EC.jwk()))
        stage[bookings].says([])
        await stage.get("/club", authorization=f"Bearer {GOOD}")
        refused = await stage.get("/club", authorization=f"Bearer {ATTACKS[name]}")

        assert refused.status == 401
        assert len(stage[bookings].asked) == 1


@pytest.mark.parametrize(
    ("field", "challenge"),
    [
        (None, 'Bearer realm="club"'),
        ("", 'Bearer realm="club"'),
        ("Basic YW5uOmFubg==", 'Bearer realm="club"'),
        (f"Token {GOOD}", 'Bearer realm="club"'),
        ("Bearer", 'Bearer realm="club", error="invalid_token"'),
        (GOOD, 'Bearer realm="club"'),
    ],
    ids=["nothing", "empty", "basic", "another scheme", "a scheme alone", "a token alone"],
)
async def test_who_brings_no_token_is_told_what_is_needed(field: str | None, challenge: str) -> None:
    """RFC 6750 3.1: without credentials there is no error to tell."""
    fields = {} if field is None else {"authorization": field}
    async with Stage(app, environment=ENVIRONMENT) as stage:
        refused = await stage.get("/club", **fields)

        assert refused.status == 401
        assert refused.header("www-authenticate").startswith(challenge)
        assert stage[members].asked == ()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_letters(scheme: str) -> None:
    """RFC 9110 11.1."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(RSA.jwk()))
        stage[bookings].says([])

        assert (await stage.get("/club", authorization=f"{scheme} {GOOD}")).status == 200


@pytest.mark.parametrize("scopes", ["", "club:write", "club:read2 xclub:read", ["club"]])
async def test_a_token_without_the_scopes_is_403(scopes: object) -> None:
    """RFC 6750 3.1: insufficient_scope, and which would be enough."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(RSA.jwk()))
        refused = await stage.get("/club", authorization=f"Bearer {RSA.token(scope=scopes)}")

        assert refused.status == 403
        assert refused.header("www-authenticate") == (
            'Bearer realm="club", error="insufficient_scope", scope="club:read"'
        )
        assert stage[bookings].asked == ()


@pytest.mark.parametrize(
    "more", [{"scope": "a club:read b"}, {"scope": ["club:read"]}, {"scope": None, "scp": ["club:read"]}]
)
async def test_scopes_are_read_as_issuers_write_them(more: dict[str, Any]) -> None:
    """One text (RFC 8693 4.2), or a list."""
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(RSA.jwk()))
        stage[bookings].says([])

        assert (await stage.get("/club", authorization=f"Bearer {RSA.token(**more)}")).status == 200
