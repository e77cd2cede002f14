"""Content codings (RFC 9110 8.4.1, 12.5.3): which one a client gets, and which answers get any.

What may hold a secret beside what a stranger chose is sent as it is: whoever watches the length of its compressed form
could guess the secret piece by piece (BREACH, CVE-2013-3587). So answers that are `private`, `no-store` or set a cookie
are coded only where their route asks for it; problems never are.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from stagedoor._requests import Headers
from stagedoor._web.coders import CODERS
from stagedoor._web.etags import coded_etag
from stagedoor._web.request import listed

__all__ = ["accepted_coding", "has_coded_form", "is_compressible", "is_text", "selected", "varied"]

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
_AS_THEY_ARE: Final = _WHOLE - {b"content-length", b"content-range"}
_SAID_ANEW: Final = frozenset({b"etag", b"vary"})
_OF_PLAIN_OCTETS: Final = _SAID_ANEW | {b"accept-ranges", b"content-length"}
_ONLY_ASKED: Final = re.compile(
    rb"(?:text/event-stream|application/problem\+(?:json|xml))\s*+(?:;|$)", re.IGNORECASE
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


def accepted_coding(headers: Mapping[bytes, bytes], fields: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the coding that a request wants of what is handed on; "" if it wants it as it is (RFC 9111 5.2.1.6)."""
    accepted = listed(b"accept-encoding", headers, fields)
    if accepted is None or b"no-transform" in (listed(b"cache-control", headers, fields) or b"").lower():
        return ""
    return selected(accepted)


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
    return (
        _WHOLE.isdisjoint(said)
        and _may_leave(said, fields, asked=bool(asked))
        and _is_text(said.get(b"content-type", b""))
    )


def has_coded_form(
    said: Mapping[bytes, bytes], fields: Headers, size: int | None, asked: bool | None, *, secret: bool
) -> bool:
    """Tell whether an answer that is handed on has forms in other codings; `said` has one field of each name.

    `size` is None where it is not known before. `secret` is whether it was asked for with credentials: then only what
    is `public` is for everybody.
    """
    if (size is not None and size < _LEAST) or not _AS_THEY_ARE.isdisjoint(said):
        return False
    if secret and not asked and b"public" not in said.get(b"cache-control", b"").lower():
        return False
    return _may_leave(said, fields, asked=bool(asked))


def _may_leave(said: Mapping[bytes, bytes], fields: Headers, *, asked: bool) -> bool:
    """Tell whether an answer may be another than it is, and holds no secret that its length could tell."""
    if _is_closed(said.get(b"cache-control", b""), asked) or (b"set-cookie" in said and not asked):
        return False
    return len(said) == len(fields) or not any(
        name == b"cache-control" and _is_closed(line, asked) for name, line in fields
    )


def _is_closed(cache_control: bytes, asked: bool) -> bool:
    return len(cache_control) > _LONGEST or _forbids(cache_control, asked)


@lru_cache(_REMEMBERED)
def _forbids(cache_control: bytes, asked: bool) -> bool:
    directives = cache_control.lower()
    return b"no-transform" in directives or (
        not asked and (b"private" in directives or b"no-store" in directives)
    )


def _is_text(media_type: bytes) -> bool:
    return len(media_type) <= _LONGEST and _gets_shorter(media_type)


@lru_cache(_REMEMBERED)
def _gets_shorter(media_type: bytes) -> bool:
    return _TEXT.fullmatch(media_type) is not None


def is_text(media_type: bytes, asked: bool | None) -> bool:
    """Tell whether a stream of a media type gets shorter: no picture; problems and events only where a route asks.

    What is pushed as events is mostly somebody's own, and the length of each would be seen by itself.
    """
    return len(media_type) <= _LONGEST and _is_stream_of_text(media_type, bool(asked))


@lru_cache(_REMEMBERED)
def _is_stream_of_text(media_type: bytes, asked: bool) -> bool:
    if _ONLY_ASKED.match(media_type) is not None:
        return asked
    return _gets_shorter(media_type) and not media_type.lower().startswith(b"image/")


def varied(fields: Headers, coding: str) -> Headers:
    """Return the fields of an answer that depends on `Accept-Encoding`, in one of its codings.

    Ranges are those of the answer as it is, and so is its length.
    """
    dropped = _OF_PLAIN_OCTETS if coding else _SAID_ANEW
    others = [pair for pair in fields if pair[0] not in dropped]
    vary = b", ".join([said for name, said in fields if name == b"vary"])
    tags = [coded_etag(said, coding) for name, said in fields if name == b"etag"]
    if coding:
        others.append((b"content-encoding", coding.encode()))
    return (*others, *[(b"etag", tag) for tag in tags if tag], (b"vary", _by_coding(vary)))


def _by_coding(vary: bytes) -> bytes:
    """Return a list of fields that an answer depends on, with `Accept-Encoding` once; `*` is all of them."""
    members = {member.strip().lower() for member in vary.split(b",")}
    if b"*" in members or b"accept-encoding" in members:
        return vary
    return vary + b", Accept-Encoding" if vary else b"Accept-Encoding"
