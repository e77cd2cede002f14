"""Which pages of other origins may read answers (Fetch standard, 3.2): a list of exact origins, and nobody else.

A listed origin hears that it may read (`Access-Control-Allow-Origin` names it, never `*`), and which fields. Nobody is
told that credentials are welcome, so browsers send none. `null` is the origin of many things and cannot be listed.
Every answer says `Vary: Origin`, asked by a listed origin or not: a cache between must not hand the answer of one to
another. The fields are added as an answer leaves, so one that was kept never carries those of the origin it was first
made for.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from stagedoor._requests import Headers
from stagedoor.errors import ConfigError

__all__ = ["ACCEPTED", "EXPOSED", "Cors", "is_foreign", "is_origin", "is_preflight"]

# As browsers write it (RFC 6454, 6.2): lower case, no port where it is the scheme's own, no path.
_ORIGIN: Final = re.compile(
    r"(https?)://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?", re.ASCII
)
_OWN_PORT: Final = {"http": "80", "https": "443"}
EXPOSED: Final = (
    "Stagedoor-Parts",
    "Cache-Status",
    "Server-Timing",
    "X-Total-Count",
    "Link",
    "Did-You-Mean",
    "Location",
    "ETag",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Request-ID",
)
ACCEPTED: Final = (
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "Range",  # its simple forms need no leave (Fetch 2.2.2), those from the end do
    "If-Range",
    "Idempotency-Key",
    "X-Request-ID",
    "Traceparent",
    "Tracestate",
)
_VARY: Final = (b"vary", b"Origin")
_OURS: Final = frozenset(
    {
        b"access-control-allow-credentials",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
    }
)


def is_origin(text: str) -> bool:
    """Tell whether a text is an origin in the one form in which browsers send it."""
    found = _ORIGIN.fullmatch(text)
    return found is not None and found[2] != _OWN_PORT[found[1]] and int(found[2] or 0) <= 65_535


class Cors:
    """The allow-list of a gateway.

    `exposed` are the fields of answers that pages may read, `accepted` those of requests that they may send beyond the
    harmless ones; `max_age` is how many seconds a browser may remember a preflight.
    """

    def __init__(
        self,
        origins: Iterable[str],
        *,
        exposed: Iterable[str] = EXPOSED,
        accepted: Iterable[str] = ACCEPTED,
        max_age: int = 600,
    ) -> None:
        listed = tuple(origins)
        for origin in listed:
            if not is_origin(origin):
                raise ConfigError(f"Cors: {origin!r} is no exact origin such as https://app.example.com")
        self._origins = {
            origin.encode(): (b"access-control-allow-origin", origin.encode()) for origin in listed
        }
        self._exposed = (b"access-control-expose-headers", ", ".join(exposed).encode())
        self._preflight = (
            (b"access-control-allow-headers", ", ".join(accepted).encode()),
            (b"access-control-max-age", b"%d" % max_age),
        )

    def tell(self, answer: list[tuple[bytes, bytes]], origin: bytes | None) -> None:
        """Add to the fields of an answer what the origin that asked may do with it.

        To one that is listed that is said once, here, whatever a service behind has said of it: of two origins in
        one answer browsers believe neither (Fetch 4.9).
        """
        for place, (name, value) in enumerate(answer):
            if name == b"vary":
                answer[place] = (name, value + b", Origin")
                break
        else:
            answer.append(_VARY)
        allowed = None if origin is None else self._origins.get(origin)
        if allowed is not None:
            answer[:] = [field for field in answer if field[0] not in _OURS]
            answer += (allowed, self._exposed)

    def preflight(self, asked: Mapping[bytes, bytes], methods: str) -> Headers | None:
        """Return the fields that answer a preflight of a listed origin; None if the request is none.

        `methods` are those of the route, as in "GET, HEAD". `tell` adds the origin.
        """
        if b"access-control-request-method" not in asked or asked.get(b"origin") not in self._origins:
            return None
        return ((b"access-control-allow-methods", methods.encode()), *self._preflight)

    def lists(self, origin: bytes | None) -> bool:
        """Tell whether an origin is one of the list."""
        return origin in self._origins

    def __repr__(self) -> str:
        return f"<Cors {b', '.join(self._origins).decode()}>"


def is_preflight(asked: Mapping[bytes, bytes]) -> bool:
    """Tell whether an OPTIONS request is a browser's question whether a page may ask (Fetch 4.8)."""
    return b"access-control-request-method" in asked and b"origin" in asked


def is_foreign(asked: Mapping[bytes, bytes], cors: Cors | None) -> bool:
    """Tell whether a browser says that a page of another site asks, and its origin is not listed (T20).

    What carries no `Sec-Fetch-Site` is no browser of these days, and nobody's page can make it leave the field out.
    """
    site = asked.get(b"sec-fetch-site")
    if site is None or site.strip().lower() != b"cross-site":
        return False
    return cors is None or not cors.lists(asked.get(b"origin"))
