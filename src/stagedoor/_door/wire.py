"""Heads of answers, as bytes. Nothing leaves that could be read as a second header line (T2)."""

import asyncio
import http
import re
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from stagedoor._door.guards import instance_of
from stagedoor._ids import request_id_of
from stagedoor._problems import ProblemDetails, fields_of, render

__all__ = [
    "FIELD_NAMES",
    "STATUS_LINES",
    "FieldNames",
    "RequestOutline",
    "head_of",
    "problem_answer",
    "reset_at_close",
    "write_all",
]

_INSTANCE: Final = 2_048
# 1xx are interim and never an application's answer.
STATUS_LINES: Final = {
    code: b"HTTP/1.1 %d %b\r\n"
    % (code, http.HTTPStatus(code).phrase.encode() if code in http.HTTPStatus._value2member_map_ else b"")
    for code in range(200, 600)
}
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_MOST_NAMES: Final = 1_024  # that are remembered: a proxy passes on what services call their fields
_LONGEST_NAME: Final = 64
_IN_A_VALUE: Final = bytes((9, *range(0x20, 0x7F), *range(0x80, 0x100)))  # RFC 9110 5.5
_name_of: Final = itemgetter(0)


class FieldNames:
    """Names in lower case that are tokens (RFC 9110 5.1): each is looked at once, and then known."""

    __slots__ = ("_known", "are_known")

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self.are_known: Callable[[Iterable[bytes]], bool] = self._known.issuperset

    def check(self, names: Iterable[bytes]) -> None:
        """Look at names that are not known yet; raises `ValueError` for one that is none."""
        for name in names:
            if _TOKEN.fullmatch(name) is None:
                raise _no_field()
            short = len(name) <= _LONGEST_NAME
            if short and name == name.lower() and len(self._known) < _MOST_NAMES:
                self._known.add(name)


FIELD_NAMES: Final = FieldNames()


def head_of(status: int, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return status line and fields, without the empty line. Raises `ValueError` for what cannot be a field."""
    if not FIELD_NAMES.are_known(map(_name_of, fields)):
        FIELD_NAMES.check(map(_name_of, fields))
    lines = b"\r\n".join([*map(b": ".join, fields), b""])
    # Without what may stand in a value, the ends of the lines are left: a pattern takes three times as long.
    if lines.translate(None, _IN_A_VALUE) != b"\r\n" * len(fields):
        raise _no_field()
    return STATUS_LINES[status] + lines


def _no_field() -> ValueError:
    return ValueError("an answer's header field holds what no field may hold")


class RequestOutline(NamedTuple):
    """What is known of a request that is refused: enough to say which one."""

    fields: Sequence[tuple[bytes, bytes]]
    target: bytes
    bodiless: bool  # RFC 9110 9.3.2: it asked with HEAD

    def request_id(self) -> str:
        """Return the client's own request id if it is well formed, else ""."""
        return request_id_of(dict(self.fields).get(b"x-request-id"), "")


def problem_answer(
    problem: ProblemDetails,
    asked: RequestOutline,
    common: Iterable[tuple[bytes, bytes]],
    *,
    request_id: str,
    namespace: str,
) -> bytes:
    """Return a whole answer that ends its connection; `common` is what every answer carries, such as the date."""
    instance = instance_of(asked.target)[:_INSTANCE]
    body = render(problem, instance=instance, request_id=request_id, namespace=namespace)
    own = (
        *common,
        *fields_of(problem),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
        (b"connection", b"close"),
    )
    return head_of(problem.status, own) + b"\r\n" + (b"" if asked.bodiless else body)


def write_all(transport: asyncio.Transport, pieces: Sequence[bytes | memoryview]) -> None:
    """Hand pieces to a transport at once.

    asyncio's own `writelines` does not pause its protocol before Python 3.12.9 and 3.13.2, so that a client that reads
    nothing fills memory without end (CVE-2024-12254), and copies before 3.12. uvloop's does neither.
    """
    if type(transport).__module__.startswith("asyncio."):
        transport.write(b"".join(pieces))
    else:
        transport.writelines(pieces)


def reset_at_close(transport: asyncio.Transport) -> None:
    """Let the end of a connection be no orderly one: HTTP/1.0 takes that for the end of the body (RFC 9112 8)."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
