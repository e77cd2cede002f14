"""Writes request heads. Pure: values in, bytes out.

The target goes out byte for byte (H5). Connection-level fields, and those that `Connection` names, are dropped
*before* ours are added, so that nobody can name ours away (H1). Whatever could end a line early is refused (T2).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from stagedoor._context import under_parent
from stagedoor._requests import Headers

__all__ = ["RequestWriter", "check_request", "fields_to_send", "lines_to_send", "own_fields"]

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # RFC 9110 5.6.2
_VALUE = bytes(octet for octet in range(256) if octet == 9 or (octet > 31 and octet != 127))  # RFC 9110 5.5
_VISIBLE = bytes(range(0x21, 0x7F))
_PARENT, _END = b"traceparent", b"\r\n"
# Lines, the names in them, whether all of them may go on, and what stands before and behind the value of `traceparent`.
_Lines: TypeAlias = tuple[bytes, frozenset[bytes], bool, tuple[bytes, bytes] | None]
_METHODS = {
    name: name.encode() for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
}
_LONG = 4_096  # octets of lines
FOREVER = 1e9  # seconds: a deadline this far away is none
_BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE"))
# RFC 9110 7.6.1 and its predecessors; then fields whose truth only this hop knows.
_DROPPED = frozenset(
    (
        b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"host", b"content-length", b"expect", b"stagedoor-deadline-ms", b"stagedoor-attempt",
    )
)  # fmt: skip


def fields_to_send(headers: Headers, forward: Headers = ()) -> Sequence[tuple[bytes, bytes]]:
    """Return the fields that go on: connection-level ones and those `Connection` names are dropped first (H1).

    Fields to forward fill in what the payload does not name itself.
    """
    names = {name for name, _ in headers}
    if not names:
        return forward
    dropped: frozenset[bytes] | set[bytes] = _DROPPED
    if b"connection" in names:
        dropped = _DROPPED.union(
            option.strip().lower()
            for name, value in headers
            if name == b"connection"
            for option in value.split(b",")
        )
    kept = headers if names.isdisjoint(dropped) else [field for field in headers if field[0] not in dropped]
    if not forward:
        return kept
    return [*kept, *(field for field in forward if field[0] not in names or field[0] in dropped)]


def own_fields(via: bytes, attempt: int, remaining: float) -> list[tuple[bytes, bytes]]:
    """Return the fields this hop adds (H2, D5, R7)."""
    fields = [(b"via", b"1.1 " + via), (b"stagedoor-attempt", b"%d" % attempt)]
    if remaining < FOREVER:
        fields.append((b"stagedoor-deadline-ms", b"%d" % _whole_ms(remaining)))
    return fields


def _whole_ms(remaining: float) -> int:
    # At least 1: an upstream must not read "none" while we still wait.
    return max(1, int(remaining * 1000.0))


def check_request(method: str, target: bytes, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the method as bytes; raises ValueError for what must not be written (T2), TypeError for a str.

    That is a target that does not start with a slash or holds anything but visible ASCII, a method or field name
    that is no token, a value with control characters.
    """
    if target[:1] != b"/" or target.translate(None, _VISIBLE):
        given: object = target
        if not isinstance(given, bytes):
            raise TypeError(f"the target is bytes, as in b'/users/1', not {type(given).__name__}")
        raise ValueError("the target is not a path of visible ASCII characters")
    if fields:
        _check_fields(fields)
    return _METHODS.get(method) or _method(method)


def _check_fields(fields: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the names of fields that may be written."""
    names = [name for name, _ in fields]
    try:
        joined, values = b"".join(names), b"".join([value for _, value in fields])
    except TypeError as error:
        raise TypeError("a header field is a pair of bytes, as in (b'accept', b'*/*')") from error
    if not all(names) or joined.translate(None, _TOKEN) or values.translate(None, _VALUE):
        raise ValueError("a header field holds forbidden characters")
    return names


def _method(method: str) -> bytes:
    verb = method.encode("ascii", "replace")
    if not verb or verb.translate(None, _TOKEN):
        raise ValueError("the method is no token")
    if verb == b"CONNECT":
        raise ValueError("CONNECT opens tunnels, which this client does not")
    return verb


# An upstream is asked with the same few fields again and again, and one request forwards the same to each of its calls.
# Few are remembered, and so for a moment only: among them are credentials. What is long takes the place of all others:
# by turns, the requests of one connection could fill the table with 64 heads of 64 KiB, in several copies each.
@lru_cache(maxsize=64)
def _lines(fields: Headers) -> _Lines:
    """Return checked fields as lines, with what is known of them."""
    names = _check_fields(fields)
    lines = [*map(b": ".join, fields), b""]
    around = None
    if _PARENT in names:
        at = names.index(_PARENT)
        around = _END.join([*lines[:at], _PARENT + b": "]), _END + _END.join(lines[at + 1 :])
    known, joined = frozenset(names), _END.join(lines)
    if len(joined) > _LONG:
        _lines.cache_clear()
    return joined, known, known.isdisjoint(_DROPPED), around


def lines_to_send(headers: Headers, forward: Headers, parent: Callable[[], bytes] | None = None) -> bytes:
    """Return what `fields_to_send` returns, checked and as lines; raises ValueError.

    `parent` gives the `traceparent` of this call, in the place of the one to forward.
    """
    lines, names, plain, _ = _lines(headers)
    if plain and not forward:
        return lines
    forwarded, forwarded_names, _, around = _lines(forward)
    if not plain or not names.isdisjoint(forwarded_names):
        return _lines(tuple(fields_to_send(headers, under_parent(forward, parent))))[0]
    if parent is None or around is None:
        return lines + forwarded
    return b"".join((lines, around[0], parent(), around[1]))


class RequestWriter:
    """Writes the heads of requests to one origin."""

    __slots__ = ("_first", "_host", "_prefix", "_tail")

    def __init__(self, host: bytes, prefix: bytes, via: bytes) -> None:
        self._prefix = b" " + prefix
        self._host = b" HTTP/1.1\r\nHost: %b\r\n" % host
        self._tail = b"Via: 1.1 %b\r\nStagedoor-Attempt: %%d\r\n" % via
        self._first = self._tail % 1

    def opening(self, method: str, target: bytes, lines: bytes) -> bytes:
        """Return request line, Host and the lines of further fields; `closing` completes the head.

        Raises ValueError.
        """
        return b"".join((check_request(method, target, ()), self._prefix, target, self._host, lines))

    def closing(self, method: str, length: int | None, attempt: int, remaining: float) -> bytes:
        """Return the rest of a head: what `own_fields` says, and body framing (`length` None is chunked)."""
        tail = self._first if attempt == 1 else self._tail % attempt
        if remaining < FOREVER:
            tail += b"Stagedoor-Deadline-Ms: %d\r\n" % _whole_ms(remaining)
        if length is None:
            return tail + b"Transfer-Encoding: chunked\r\n\r\n"
        if length or method not in _BODILESS:
            return b"%bContent-Length: %d\r\n\r\n" % (tail, length)
        return tail + b"\r\n"
