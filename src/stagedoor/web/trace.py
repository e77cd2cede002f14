"""Request ids and W3C trace context (level 2), as pure functions of what came in and what chance gives."""

import re
from collections.abc import Mapping, Sequence

from stagedoor.value import value

__all__ = ["Trace", "continued", "identify", "request_id_of"]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(
    rb"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MOST_MEMBERS = 32
_KNOWN_FLAGS = 0x03  # sampled, random


@value()
class Trace:
    """The trace a request belongs to, as it goes on to upstreams."""

    trace_id: bytes
    parent: bytes  # the traceparent field
    state: bytes = b""  # the tracestate field, "" for none


def identify(
    headers: Mapping[bytes, bytes], fields: Sequence[tuple[bytes, bytes]], entropy: bytes
) -> tuple[str, Trace]:
    """Settle a request's id and its trace.

    `fields` are the header fields as they came, `headers` the last of each name; `entropy` is 40 random bytes.
    """
    request_id = request_id_of(headers.get(b"x-request-id"), entropy[24:].hex())
    parent, states = headers.get(b"traceparent"), []
    if parent is not None:
        states = [value for name, value in fields if name == b"tracestate"]
        if sum(name == b"traceparent" for name, _ in fields) > 1:
            parent = None  # Trace Context 3.2: more than one is as good as none
    return request_id, continued(parent, states, entropy)


def request_id_of(raw: bytes | None, fresh: str) -> str:
    """Keep a well-formed incoming request id, else take the fresh one."""
    if raw is not None and _REQUEST_ID.fullmatch(raw):
        return raw.decode()
    return fresh


def continued(parent: bytes | None, states: list[bytes], entropy: bytes) -> Trace:
    """Continue a valid trace under a new parent id; start a new one, without state, otherwise (H13).

    `entropy` is 24 random bytes: 16 for a new trace id, 8 for the parent id.
    """
    span = entropy[16:24].hex().encode()
    found = _parsed(parent)
    if found is None:
        trace_id = entropy[:16].hex().encode()
        return Trace(trace_id, b"00-" + trace_id + b"-" + span + b"-02")
    trace_id, flags = found
    return Trace(trace_id, b"00-%b-%b-%02x" % (trace_id, span, flags & _KNOWN_FLAGS), _state(states))


def _parsed(parent: bytes | None) -> tuple[bytes, int] | None:
    """Return trace id and flags; higher versions are read by their prefix, version ff is invalid."""
    match = _PARENT.fullmatch(parent.strip()) if parent is not None else None
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if not trace_id.strip(b"0") or not parent_id.strip(b"0"):
        return None
    return trace_id, int(flags, 16)


def _state(states: list[bytes]) -> bytes:
    """Join the lines of tracestate; a list that breaks the rules is dropped as a whole."""
    members = [member.strip(b" \t") for line in states for member in line.split(b",")]
    members = [member for member in members if member]
    keys = {member.partition(b"=")[0] for member in members}
    if len(members) > _MOST_MEMBERS or len(keys) != len(members):
        return b""
    if not all(_MEMBER.fullmatch(member) for member in members):
        return b""
    return b",".join(members)
