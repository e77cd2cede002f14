"""Entity tags: one a coding, as answers leave; and back, so that a service is asked by its own.

    "v1" ─▶ "v1" as it came, "v1~gzip" coded       "v1~gzip" ─▶ "v1"

A tag that ends by itself as ours do leaves with an end more (`~identity`), so that each has one way back: a service may
be such a gateway too. Weak ones are the same for all codings (RFC 9110 8.8.3.3).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

__all__ = ["CONDITIONS", "asked_by_own", "coded_etag"]

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]
CONDITIONS: Final = frozenset({b"if-match", b"if-none-match", b"if-range"})
_TAG: Final = re.compile(rb'(W/)?"([^"]*)"')  # a comma may stand in a tag (RFC 9110 8.8.3)
_AS_IT_CAME: Final = "identity"
_OURS: Final = re.compile(rb"(.*)~(gzip|br|zstd|identity)", re.DOTALL)


def coded_etag(tag: bytes, coding: str) -> bytes | None:
    """Return the tag of an answer's form in a coding, "" for as it is; None for the coded form of what has no tag."""
    found = _TAG.fullmatch(tag)
    if found is None:
        return None if coding else tag
    if coding and not found[1]:
        return b'"%b~%b"' % (found[2], coding.encode())
    return tag[:-1] + b'~identity"' if _OURS.fullmatch(found[2]) else tag


def asked_by_own(fields: Fields, coding: str | None) -> Fields:
    """Return the fields of a request as a service understands them: conditions name tags of its own.

    `coding` is the one that a question is answered in: a form in another is none that If-None-Match means (RFC 9110
    13.1.2). It is None for a write, which may name what was read in any. If-Range with a tag of ours would join two
    contents: the whole is asked for.
    """
    if not any(name in CONDITIONS and _names_ours(said) for name, said in fields):
        return fields
    kept: list[tuple[bytes, bytes]] = []
    whole = False
    for name, said in fields:
        if name not in CONDITIONS or not _names_ours(said):
            kept.append((name, said))
            continue
        meant = None if coding is None or name == b"if-match" else {_AS_IT_CAME, coding}
        owned = _own(said, {_AS_IT_CAME} if name == b"if-range" else meant)
        whole |= name == b"if-range" and not owned
        if owned:
            kept.append((name, owned))
    return tuple(field for field in kept if field[0] != b"range") if whole else tuple(kept)


def _names_ours(listed: bytes) -> bool:
    return b"~" in listed and any(_OURS.fullmatch(text) for _, text in _TAG.findall(listed))


def _own(listed: bytes, meant: Iterable[str] | None) -> bytes:
    """Return a list of tags without our ends; those of a coding that is not meant are left out."""
    own: list[bytes] = []
    for weak, text in _TAG.findall(listed):
        found = _OURS.fullmatch(text)
        if found is None:
            own.append(b'%b"%b"' % (weak, text))
        elif meant is None or found[2].decode() in meant:
            own.append(b'%b"%b"' % (weak, found[1]))
    return b", ".join(dict.fromkeys(own))
