r"""Which addresses a browser may be sent back to: paths of this site, and nothing that anybody could read otherwise.

An open redirect makes a login the bait of somebody else's page (RFC 9700 4.11). Browsers read `\\` as `/`, leave tabs
and line ends out, and a proxy may decode what is encoded: what looks like any of these, once decoded or more often, is
refused rather than mended.
"""

import re
from urllib.parse import unquote

__all__ = ["is_local"]

_LONGEST = 1_024
_ROUNDS = 4  # of decoding; what is encoded more often is refused
_PLAIN = re.compile(
    r"/[\x21\x22\x24-\x5b\x5d-\x7e]*(?:#[\x21-\x5b\x5d-\x7e]*)?"
)  # no blank, no control, no backslash
_HOSTILE = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_CLIMBS = frozenset({".", ".."})


def is_local(address: str) -> bool:
    """Tell whether an address is a path of this site, with a query and fragment or without."""
    if len(address) > _LONGEST or _PLAIN.fullmatch(address) is None:
        return False
    for _ in range(_ROUNDS):
        path = re.split(r"[?#]", address, maxsplit=1)[0]
        segments = path.split("/")[1:]
        if _HOSTILE.search(address) or not path.startswith("/"):
            return False
        if _CLIMBS.intersection(segments) or "" in segments[:-1]:  # `//`, in front or anywhere
            return False
        decoded = unquote(address, errors="replace")
        if decoded == address:
            return True
        address = decoded
    return False
