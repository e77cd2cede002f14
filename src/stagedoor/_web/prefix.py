"""A gateway whose path is longer for its clients than for itself: mounted, or behind a proxy that strips a prefix.

`X-Forwarded-Prefix` says so, and counts only from a peer that is trusted. What leads clients on, `Link` and `Location`,
then begins with the prefix, as do the instances of problems and what documents name.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

__all__ = ["below", "forwarded_prefix"]

_LONGEST: Final = 512
_PREFIX: Final = re.compile(rb"(?:/[A-Za-z0-9._~!$&'()*+;=:@%-]+)+/?")
_TARGET: Final = re.compile(rb"<(/(?!/)[^<>]*+)>")


def forwarded_prefix(said: bytes) -> str:
    """Return the path that a field names, unquoted, the outermost proxy's part first; "" for what is none."""
    steps = [step.strip() for step in said.split(b",")]
    if len(said) > _LONGEST or not all(map(_PREFIX.fullmatch, steps)):
        return ""
    whole = unquote(b"".join(step.rstrip(b"/") for step in steps).decode("ascii"))
    # `/%2Fother.example` would lead away: to `//other.example`, which is another host (RFC 3986 4.2).
    return "" if {"", ".", ".."} & set(whole.split("/")[1:]) else whole


def below(root: str, fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the fields of an answer with what leads on below a path."""
    prefix = quote(root.rstrip("/")).encode("ascii")
    return [(name, _led(name, said, prefix)) for name, said in fields]


def _led(name: bytes, said: bytes, prefix: bytes) -> bytes:
    if name == b"link":
        return _TARGET.sub(lambda found: b"<" + prefix + found[1] + b">", said)
    if name == b"location" and said.startswith(b"/") and not said.startswith(b"//"):
        return prefix + said
    return said
