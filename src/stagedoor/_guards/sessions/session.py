"""One session as it is kept: who it is, and the tokens that were given for them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

__all__ = ["Session", "read_session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who has logged in. `expires_in` is the seconds of the access token from when this was written; 0 is unknown."""

    subject: str
    issuer: str
    claims: Mapping[str, Any]
    scopes: tuple[str, ...]
    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    expires_in: float = 0.0

    def written(self) -> bytes:
        """Return it as bytes."""
        return orjson.dumps(asdict(self))


def read_session(text: bytes) -> Session | None:
    """Return a session from its bytes; None for those of another version."""
    try:
        said = orjson.loads(text)
        return Session(**{**said, "scopes": tuple(said["scopes"])})
    except (ValueError, TypeError, KeyError):
        return None
