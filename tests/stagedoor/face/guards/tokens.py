"""Tokens for tests, good ones and others: keys, a published set, and a gateway whose guard believes them."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from stagedoor._requests import HttpResponse
from stagedoor.testing import Client, Stage

START = 1_767_607_200  # the wall clock of a stage when it begins
SECRET = "a secret that is long enough for HS256"
ENVIRONMENT = {
    "CLUB_MEMBERS_JWKS_URL": "https://keys.example/jwks",
    "CLUB_MEMBERS_AUDIENCE": "club",
    "CLUB_MEMBERS_ISSUER": "https://issuer.example",
}
CLAIMS: Mapping[str, Any] = {
    "sub": "ann",
    "iss": "https://issuer.example",
    "aud": "club",
    "exp": START + 300,
    "scope": "club:read",
}


class Signer:
    """One key pair under an id."""

    def __init__(self, algorithm: str, kid: str, key: Any = None) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.key: Any = key or _KEYS[algorithm]()

    def jwk(self, **more: Any) -> dict[str, Any]:
        """Return the public half as it is published."""
        made = _WRITERS[self.algorithm].to_jwk(self.key.public_key(), as_dict=True)
        return {**made, "kid": self.kid, "use": "sig", **more}

    def token(
        self, claims: Mapping[str, Any] = CLAIMS, head: Mapping[str, Any] | None = None, **more: Any
    ) -> str:
        """Return a token; `more` are claims in the place of others, None leaves one out."""
        said = {name: one for name, one in {**claims, **more}.items() if one is not None}
        fields = {"kid": self.kid} if head is None else dict(head)
        return jwt.encode(said, self.key, self.algorithm, headers=fields)

    def signed(self, payload: object) -> str:
        """Return a token with any payload under a good signature."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return jwt.PyJWS().encode(raw, self.key, self.algorithm, headers={"kid": self.kid})


_WRITERS: Mapping[str, Any] = {
    "RS256": RSAAlgorithm,
    "ES256": ECAlgorithm,
    "EdDSA": OKPAlgorithm,
}
_KEYS: Mapping[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65_537, 2_048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def part(said: object) -> str:
    """Return one part of a token."""
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(head: Mapping[str, Any], claims: Mapping[str, Any] = CLAIMS, signature: bytes = b"") -> str:
    """Return a token with any head and signature."""
    return f"{part(dict(head))}.{part(dict(claims))}.{part(signature)}"


def signed_with(secret: bytes, head: Mapping[str, Any], claims: Mapping[str, Any] = CLAIMS) -> str:
    """Return a token under HMAC with any bytes as its key."""
    opened = f"{part(dict(head))}.{part(dict(claims))}"
    return f"{opened}.{part(hmac.new(secret, opened.encode(), hashlib.sha256).digest())}"


def bearer(token: str) -> dict[str, str]:
    """Return the field that brings a token."""
    return {"authorization": f"Bearer {token}"}


def published(*keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return a published set."""
    return {"keys": list(keys)}


async def ask_at_once(
    stage: Stage, fields: Sequence[Mapping[str, str]], target: str = "/club"
) -> list[HttpResponse]:
    """Return the answers to many that ask at the same time."""
    asking = [
        Client(stage.running).ask(target, headers=tuple((n.encode(), v.encode()) for n, v in one.items()))
        for one in fields
    ]
    return await stage.run(asyncio.gather(*asking))
