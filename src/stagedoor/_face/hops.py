"""Which fields belong to one connection, and who a request has passed (RFC 9110 7.6)."""

from typing import Final

from stagedoor import _requests as requests

__all__ = ["HOP", "OWN_ANSWER", "PARTIAL", "named", "passed_by"]

# RFC 9110 7.6.1, and what this hop writes itself.
HOP: Final = frozenset(
    {
        b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"host", b"content-length", b"expect", b"x-request-id", b"traceparent", b"tracestate", b"x-forwarded-for",
        b"proxy-authenticate",
    }
)  # fmt: skip
# The date is told by whoever answers, the server in front of us: it stands once (RFC 9110 5.3, 6.6.1).
OWN_ANSWER: Final = HOP - {b"content-length"} | {b"date", b"via"}
# What asks for a part of an answer, or for it under a condition (RFC 9110 13.1, 14.2).
PARTIAL: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range"}
)


def named(fields: requests.Headers) -> set[bytes]:
    """Return the fields that `Connection` names: they end here, but for those that are ours (H1)."""
    lines = [said for name, said in fields if name == b"connection"]
    return {option.strip().lower() for said in lines for option in said.split(b",")} if lines else set()


def passed_by(via: bytes | None) -> set[bytes]:
    """Return who passed a request on, of a `Via` field (RFC 9110 7.6.3)."""
    if via is None:
        return set()
    return {words[1] for words in (one.split() for one in via.split(b",")) if len(words) > 1}
