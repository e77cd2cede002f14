"""Settings that do nothing by themselves: whoever says one of them means the other as well (promise G2).

Nobody would find out by day: everybody could write, and pictures would lie in a folder that the next container does not
have. Who says the other one, if only to switch it off (`GATEWAY_AUTH=off`), knows.
"""

from collections.abc import Collection, Mapping
from typing import Final

__all__ = ["without_effect"]

_NEEDED: Final[Mapping[str, tuple[str, str]]] = {
    "gateway_api_keys_file": ("gateway_auth", "key"),
    "gateway_jwt_jwks_url": ("gateway_auth", "jwt"),
    "gateway_jwt_secret": ("gateway_auth", "jwt"),
    "media_s3_bucket": ("media_store", "s3"),
    "media_s3_endpoint": ("media_store", "s3"),
}


def without_effect(said: Collection[str]) -> str | None:
    """Return the line for the first setting whose other half nobody has said; None if there is none."""
    for name, (other, value) in _NEEDED.items():
        if name in said and other not in said:
            return f"{name.upper()}: does nothing without {other.upper()}={value}; set both, or neither"
    return None
