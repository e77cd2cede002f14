"""Keys that an issuer publishes by mistake: what is signed with them is 401, and its other keys go on."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from stagedoor.testing import Stage
from tests.stagedoor.face.guards.tokens import CLAIMS, ENVIRONMENT, Signer, part, published
from tests.stagedoor.face.members import app, bookings, members

GOOD = Signer("ES256", "good")
RSA, EC, ED = Signer("RS256", "bad"), Signer("ES256", "bad"), Signer("EdDSA", "bad")
LARGE, OTHER = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256K1())


def told(writer: Any, key: Any, **more: Any) -> dict[str, Any]:
    """Return a key as a document lists it; without `key_ops`, which would tell a private one at once."""
    made: dict[str, Any] = writer.to_jwk(key, as_dict=True)
    made.pop("key_ops", None)
    return {**made, "kid": "bad", **more}


def signed(key: ec.EllipticCurvePrivateKey, size: int) -> str:
    """Return a token that says ES256 and is signed on another curve."""
    text = f"{part({'alg': 'ES256', 'kid': 'bad'})}.{part(dict(CLAIMS))}"
    numbers = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{part(b''.join(one.to_bytes(size, 'big') for one in numbers))}"


SEED = part(bytes(range(32)))  # any text at the private half's place makes a key private
BAD = {
    "the private half, RSA": (told(RSAAlgorithm, RSA.key), RSA.token()),
    "the private half, EC": (told(ECAlgorithm, EC.key), EC.token()),
    "the private half, EdDSA": ({**ED.jwk(), "d": SEED}, ED.token()),
    "a larger curve": (told(ECAlgorithm, LARGE.public_key(), alg="ES256"), signed(LARGE, 48)),
    "a larger curve by a wrong name": (told(ECAlgorithm, LARGE.public_key(), crv="P-256"), signed(LARGE, 48)),
    "a curve of Bitcoin": (told(ECAlgorithm, OTHER.public_key()), signed(OTHER, 32)),
    "a curve of Bitcoin by a wrong name": (
        told(ECAlgorithm, OTHER.public_key(), crv="P-256"),
        signed(OTHER, 32),
    ),
    "for encryption": (EC.jwk(use="enc"), EC.token()),
    "for signing alone": (EC.jwk(key_ops=["sign"]), EC.token()),
    "an exponent of one": ({**RSA.jwk(), "e": "AQ"}, RSA.token()),
    "512 bits": ({**RSA.jwk(), "n": part(b"\xc5" * 64)}, RSA.token()),
}


@pytest.mark.parametrize("name", BAD)
async def test_t19_what_a_useless_key_has_signed_is_401(name: str) -> None:
    """Issue 14, RFC 8725 3.5: anybody may have signed it, or it is no proof; a private half was a 500 once."""
    key, token = BAD[name]
    async with Stage(app, environment=ENVIRONMENT) as stage:
        stage[members].says(published(key, GOOD.jwk()))
        stage[bookings].says([])
        refused = await stage.get("/club", authorization=f"Bearer {token}")
        hears = len(stage[bookings].asked)
        admitted = await stage.get("/club", authorization=f"Bearer {GOOD.token()}")

        assert (refused.status, hears, admitted.status) == (401, 0, 200)
