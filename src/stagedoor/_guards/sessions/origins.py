"""Who wrote a request that a browser sent: a page of our own, or somebody else's (OWASP, cross-site request forgery).

A browser adds the cookie by itself, so on methods that change something the cookie alone proves nothing (RFC 9110
9.2.1; draft-ietf-oauth-browser-based-apps 6.1.3.3). `Sec-Fetch-Site` is the browser's own word, which no page can set;
where it is missing, `Origin` has to be ours. What brings neither is refused: a browser brings one of them.
"""

from stagedoor._requests import Headers

__all__ = ["SAFE", "is_our_own"]

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OWN = frozenset({b"same-origin", b"none"})  # `none`: typed, or from a bookmark


def is_our_own(fields: Headers, origin: str) -> bool:
    """Tell whether a request was caused by a page of this origin; a neighbour on the same site is another."""
    sites = {said.strip().lower() for name, said in fields if name == b"sec-fetch-site"}
    if sites:
        return sites <= _OWN
    origins = {said.strip() for name, said in fields if name == b"origin"}
    return origins == {origin.encode()}
