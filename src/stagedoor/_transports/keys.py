"""What an HTTP transport says about a request before it sends it: its key, and whether it may be repeated."""

import itertools

from stagedoor._requests import HttpRequest

__all__ = ["idempotent", "key_of"]

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"))  # RFC 9110 9.2.2
_serial = itertools.count().__next__


def key_of(payload: HttpRequest) -> bytes:
    """Return the parts of a request, each with its length in front, so that no two requests share a key (T6).

    A body or an answer that is a stream can be used once only: such a request equals no other.
    """
    body = payload.body
    if payload.streamed or not isinstance(body, bytes):
        return b"stream:%d" % _serial()
    method, target, fields = payload.method.encode(), payload.target, payload.headers
    if len(fields) == 1:  # as nearly all are: in one step it takes half the time
        ((name, said),) = fields
        return b"%d:%b%d:%b%d:%b%d:%b%d:%b" % (
            len(method), method, len(target), target, len(name), name, len(said), said, len(body), body,
        )  # fmt: skip
    parts = [method, target]
    for field in fields:
        parts += field
    parts.append(body)
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def idempotent(payload: HttpRequest) -> bool:
    """Tell whether repeating a request is safe by its method, and possible."""
    return payload.method in _REPEATABLE and isinstance(payload.body, bytes)
