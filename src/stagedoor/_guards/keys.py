"""The keys that sign tokens, as a document lists them (RFC 7517), each for the algorithms that fit it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

__all__ = ["Keys", "keys_of", "shared"]

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_FITTING: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_LEAST_RSA, _MOST_KEYS, _MOST_BYTES = 2_048, 100, 2**20


class Keys:
    """A set of keys, found by their id and an algorithm: never by anything else that a token says."""

    __slots__ = ("_by_id",)

    def __init__(self, found: Sequence[tuple[str | None, str, PyJWK]]) -> None:
        self._by_id: dict[str | None, list[tuple[str, PyJWK]]] = {}
        for kid, algorithm, key in found:
            self._by_id.setdefault(kid, []).append((algorithm, key))

    def fitting(self, kid: str | None, algorithm: str) -> list[PyJWK] | None:
        """Return the keys of an id for an algorithm, of all ids where a token names none; None: no such id."""
        if kid is None:
            pairs = [pair for some in self._by_id.values() for pair in some]
        elif kid in self._by_id:
            pairs = self._by_id[kid]
        else:
            return None
        return [key for one, key in pairs if one == algorithm]

    def __len__(self) -> int:
        return len(self._by_id)

    def __repr__(self) -> str:
        return f"<Keys {len(self._by_id)}>"


def keys_of(document: bytes, algorithms: frozenset[str]) -> Keys:
    """Return the keys of a document; raises `ValueError` if it holds none that can be used.

    What is no key for signatures, is too weak, or is a shared secret, which nobody publishes, is left out.
    """
    if len(document) > _MOST_BYTES:
        raise ValueError("the document is too large")
    said: Any = orjson.loads(document)
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the document lists no keys")  # noqa: TRY004 - it is a value that somebody sent
    found = [one for item in listed[:_MOST_KEYS] for one in _usable(item, algorithms)]
    if not found:
        raise ValueError("the document has no key that can be used")
    return Keys(found)


def _usable(item: Any, algorithms: frozenset[str]) -> list[tuple[str | None, str, PyJWK]]:  # noqa: ANN401 - JSON
    """Return a key once for each algorithm it may be used with (RFC 7517 4.2 to 4.5).

    One whose private half is published too (RFC 7518 6.2.2, 6.3.2) is none: anybody may have signed with it.
    """
    if not isinstance(item, dict) or item.get("use", "sig") != "sig" or "d" in item:
        return []
    operations, kid, own = item.get("key_ops", ["verify"]), item.get("kid"), item.get("alg")
    if not isinstance(operations, list) or "verify" not in operations or not isinstance(kid, str | None):
        return []
    kind = item.get("kty")
    curve = "" if kind == "RSA" else item.get("crv")
    names = _FITTING.get((kind, curve), ()) if isinstance(kind, str) and isinstance(curve, str) else ()
    wanted = [name for name in names if name in algorithms and own in (None, name, _alias(name))]
    try:
        made = [(kid, name, PyJWK(item, name)) for name in wanted]
    except (PyJWTError, ValueError, TypeError):
        return []
    return [one for one in made if not _is_weak(one[2])]


def _alias(name: str) -> str:
    return "Ed25519" if name == "EdDSA" else name  # RFC 9864 4.1


def _is_weak(key: PyJWK) -> bool:
    size = getattr(key.key, "key_size", None)
    return key.key_type == "RSA" and (not isinstance(size, int) or size < _LEAST_RSA)


def shared(secret: str, algorithms: frozenset[str]) -> Keys:
    """Return a shared secret as the one key there is, whatever id a token names."""
    text = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    return Secret([(None, name, PyJWK({"kty": "oct", "k": text}, name)) for name in sorted(algorithms)])


class Secret(Keys):
    """A shared secret: it has no id, so that every id is its own."""

    __slots__ = ()

    def fitting(self, kid: str | None, algorithm: str) -> list[PyJWK] | None:
        """Return the secret for an algorithm."""
        return Keys.fitting(self, None, algorithm)
