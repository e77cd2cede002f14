"""The outline of a head: the lines that decide what becomes of it, where the others are like those of no other request.

Behind a mesh each head brings ids, addresses and cookies of its own, and yet it asks for what a thousand before asked
for. What is good and plain by its grammar, within its bounds, and equal in its request line and in every line that is
looked at, meets the same judgement: so a head that was judged once speaks for all of its outline.
"""

import re
from functools import lru_cache
from typing import Final

from stagedoor._door.limits import DoorLimits
from stagedoor._door.lines import PLAIN_FIELDS

__all__ = ["outline_of"]

_END: Final = b"\r\n\r\n"
# What the reader looks at beside the grammar: which host it is, where the message ends, whether the connection goes on.
_JUDGED: Final = frozenset({b"connection", b"content-length", b"expect", b"host", b"transfer-encoding"})
_PATTERNS: Final = 16  # a process has one set of names, which grows as it learns of routes


def outline_of(data: bytes, limits: DoorLimits, names: frozenset[bytes]) -> bytes | None:
    """Return the outline of a head that is whole and plain, and alone; None for any other.

    `names` are the fields, in lower case, that decide beside those that frame a message; one that ends in `*` stands
    for all that begin so.
    """
    fields = data.find(b"\r\n") + 2
    plain = (
        data.endswith(_END)
        and len(data) - fields <= limits.header_bytes
        and data.count(b"\n") - 2 <= limits.header_fields
        and PLAIN_FIELDS.fullmatch(data, fields, len(data) - 2) is not None
    )
    return b"".join((data[:fields], *_lines_of(names).findall(data, fields - 2))) if plain else None


@lru_cache(_PATTERNS)
def _lines_of(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Return what finds the lines with these names in a head whose grammar is good: no other CR or LF stands there."""
    spelled = [_spelled(name) for name in sorted(names | _JUDGED)]
    return re.compile(rb"\r\n(?:%b):[^\r]*" % b"|".join(spelled))


def _spelled(name: bytes) -> bytes:
    """Return a pattern for a name in any case; `re.IGNORECASE` would try each name letter by letter, thrice as slow."""
    each = [f"[{one}{one.upper()}]" if one.isalpha() else re.escape(one) for one in name.decode()]
    return "".join(each).replace(r"\*", "[^:]*").encode()
