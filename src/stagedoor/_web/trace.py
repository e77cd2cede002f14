"""Request ids and W3C trace context (level 2), as pure functions of what came in and what chance gives."""

import re
from binascii import hexlify
from collections.abc import Mapping, Sequence

from stagedoor._ids import request_id_of
from stagedoor._value import value

__all__ = ["Parents", "Trace", "continued", "identify", "parent_trace_id", "trace_id_of"]

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_PLAIN = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MEMBER = re.compile(
    rb"[a-z0-9][a-z0-9_\-*/@]{0,255}"  # level 2: `@` stands for itself, and a digit may begin
    rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MOST_MEMBERS = 32
_RING = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15  # odd, so that all ids come before one comes again, and far from its neighbours
_KNOWN_FLAGS = 0x03  # sampled, random


class Parents:
    """The `traceparent` of each call under one request: one trace, and a parent id that no other call has.

    Called in their order or side by side, it makes no difference: each call takes a step of the ring of all ids.
    """

    __slots__ = ("_flags", "_number", "_parent", "_trace")

    def __init__(self, parent: bytes) -> None:
        self._parent = parent
        self._number = -1  # of the last one; the parent is read by the first call: a kept answer makes none

    def __call__(self) -> bytes:
        """Return the next one. An id of zeros would be none (Trace Context 3.2.2.4)."""
        if self._number < 0:
            self._trace, self._flags = self._parent[:36], self._parent[52:]
            self._number = int(self._parent[36:52], 16)
        self._number = number = (self._number + _STEP) & _RING or _STEP
        return b"%b%016x%b" % (self._trace, number, self._flags)


@value()
class Trace:
    """The trace a request belongs to, as it goes on to upstreams."""

    trace_id: bytes
    parent: bytes  # the traceparent field
    state: bytes = b""  # the tracestate field, "" for none
    caller: bytes = b""  # the id of the span that asked, "" where a trace begins here


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


def trace_id_of(headers: Mapping[bytes, bytes], fields: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the id of the trace that a request belongs to as `identify` settles it; "" for none that is valid."""
    parent = headers.get(b"traceparent")
    twice = len(headers) != len(fields) and sum(name == b"traceparent" for name, _ in fields) > 1
    return "" if parent is None or twice else parent_trace_id(parent)


def parent_trace_id(parent: bytes) -> str:
    """Return the id of the trace that a `traceparent` names; "" if it is not valid."""
    plain = _PLAIN.fullmatch(parent)  # nearly all are
    if plain is not None:
        return plain[1].decode()
    found = _parsed(parent)
    return "" if found is None else found[0].decode()


def continued(parent: bytes | None, states: list[bytes], entropy: bytes) -> Trace:
    """Continue a valid trace under a new parent id; start a new one, without state, otherwise (H13).

    `entropy` is 24 random bytes: 16 for a new trace id, 8 for the parent id.
    """
    fresh = hexlify(entropy[:24])
    trace_id, span = fresh[:32], fresh[32:]
    found = None if parent is None else _parsed(parent)
    if found is None:
        return Trace(trace_id, b"00-%b-%b-02" % (trace_id, span))
    trace_id, caller, flags = found
    parent = b"00-%b-%b-%02x" % (trace_id, span, flags & _KNOWN_FLAGS)
    return Trace(trace_id, parent, _state(states), caller)


def _parsed(parent: bytes) -> tuple[bytes, bytes, int] | None:
    """Return trace id, parent id and flags; higher versions are read by their prefix, version ff is invalid."""
    match = _PARENT.fullmatch(parent.strip())
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if not trace_id.strip(b"0") or not parent_id.strip(b"0"):
        return None
    return trace_id, parent_id, int(flags, 16)


def _state(states: list[bytes]) -> bytes:
    """Join the lines of tracestate; a list that breaks the rules is dropped as a whole.

    Of a key that stands there twice the first member counts, the newest (Trace Context 3.5).
    """
    members = [member.strip(b" \t") for line in states for member in line.split(b",")]
    members = [member for member in members if member]
    if len(members) > _MOST_MEMBERS or not all(_MEMBER.fullmatch(member) for member in members):
        return b""
    newest: dict[bytes, bytes] = {}
    for member in members:
        newest.setdefault(member.partition(b"=")[0], member)
    return b",".join(newest.values())
