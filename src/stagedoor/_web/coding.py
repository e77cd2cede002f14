"""Content codings (RFC 9110 8.4.1, 12.5.3): which one a client gets, and which answers get any.

What may hold a secret beside what a stranger chose is sent as it is: whoever watches the length of its compressed form
could guess the secret piece by piece (BREACH, CVE-2013-3587). So answers that are `private`, `no-store` or set a cookie
are coded only where their route asks for it; problems never are.
"""

import re
from functools import lru_cache
from typing import Final

from stagedoor._requests import Headers
from stagedoor._web.coders import CODERS

__all__ = ["coded_etag", "is_compressible", "selected", "varied"]

_LEAST: Final = 1_024  # octets: below, a head is most of what is sent
_TEXT: Final = re.compile(
    rb"(?:text/(?!event-stream)[a-z0-9.+-]++|application/(?:json|xml|javascript|manifest|x-ndjson|[a-z0-9.-]+\+(?:json|xml))"
    rb"|image/svg\+xml)\s*+(?:;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_WHOLE: Final = frozenset(  # they speak of the octets as they are
    {
        b"content-digest",
        b"content-encoding",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"digest",
        b"repr-digest",
        b"transfer-encoding",
    }
)
_MEMBER: Final = re.compile(
    rb"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:;\s*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
_REMEMBERED: Final = 256  # values of a field: browsers send some ten of Accept-Encoding
_LONGEST: Final = 1_024  # octets of one: no browser's is longer, and what is remembered has to be bounded
_ALIASES: Final = {"x-gzip": "gzip"}  # RFC 9110 8.4.1.3


def selected(accepted: bytes) -> str:
    """Return the coding that a client likes best of those there are; "" for the answer as it is.

    A member that is none is passed over; of those with one weight ours is the first, and a coding comes before none.
    What is not named but means any (`*`) is gzip, which everybody reads. Of a list that is too long nothing is read.
    """
    return _best(accepted) if len(accepted) <= _LONGEST else ""


@lru_cache(_REMEMBERED)
def _best(accepted: bytes) -> str:
    weights: dict[str, float] = {}
    for member in accepted.split(b","):
        found = _MEMBER.fullmatch(member)
        if found is not None:
            name = found[1].decode().lower()
            weights.setdefault(_ALIASES.get(name, name), 1.0 if found[2] is None else float(found[2]))
    others = weights.get("*", 0.0)
    meant = [name for name in CODERS if name in weights or name == "gzip"]
    best = max(meant, key=lambda name: weights.get(name, others))  # the first of the best
    weight = weights.get(best, others)
    return best if weight > 0.0 and weight >= weights.get("identity", 0.0) else ""


def is_compressible(fields: Headers, size: int, asked: bool | None) -> bool:
    """Tell whether an answer has forms in other codings; `asked` is what its route says of itself."""
    if size < _LEAST or asked is False:
        return False
    said = dict(fields)
    if _is_closed(said.get(b"cache-control", b""), bool(asked)) or not _WHOLE.isdisjoint(said):
        return False
    if b"set-cookie" in said and not asked:
        return False
    if len(said) < len(fields) and any(
        name == b"cache-control" and _is_closed(line, bool(asked)) for name, line in fields
    ):
        return False
    return _is_text(said.get(b"content-type", b""))


@lru_cache(_REMEMBERED)
def _is_closed(cache_control: bytes, asked: bool) -> bool:
    directives = cache_control.lower()
    return b"no-transform" in directives or (
        not asked and (b"private" in directives or b"no-store" in directives)
    )


@lru_cache(_REMEMBERED)
def _is_text(media_type: bytes) -> bool:
    return _TEXT.fullmatch(media_type) is not None


def coded_etag(etag: bytes, coding: str) -> bytes:
    """Return the entity tag of a form: strong tags differ where octets do (RFC 9110 8.8.3.3)."""
    return etag[:-1] + b"-" + coding.encode() + b'"' if coding else etag


def varied(fields: Headers, coding: str) -> Headers:
    """Return the fields of an answer that depends on `Accept-Encoding`, in one of its codings."""
    others = [pair for pair in fields if pair[0] not in {b"vary", b"etag"}]
    vary = [said for name, said in fields if name == b"vary"]
    tags = [(name, coded_etag(said, coding)) for name, said in fields if name == b"etag"]
    if coding:
        others.append((b"content-encoding", coding.encode()))
    return (*others, *tags, (b"vary", b", ".join([*vary, b"Accept-Encoding"])))
