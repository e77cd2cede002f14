"""Heads of answers, as bytes. Nothing leaves that could be read as a second header line (T2)."""

import asyncio
import http
import re
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from stagedoor._door.guards import instance_of
from stagedoor._ids import request_id_of
from stagedoor._problems import ProblemDetails, fields_of, render

__all__ = ["STATUS_LINES", "RequestOutline", "head_of", "problem_answer", "reset_at_close", "write_all"]

_INSTANCE: Final = 2_048
# 1xx are interim and never an application's answer.
STATUS_LINES: Final = {
    code: b"HTTP/1.1 %d %b\r\n"
    % (code, http.HTTPStatus(code).phrase.encode() if code in http.HTTPStatus._value2member_map_ else b"")
    for code in range(200, 600)
}
_LINES: Final = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+")


def head_of(status: int, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return status line and fields, without the empty line. Raises `ValueError` for what cannot be a field."""
    lines = b"\r\n".join([*map(b": ".join, fields), b""])
    # One line for each field: a value that holds a line of its own would pass the pattern.
    if _LINES.fullmatch(lines) is None or lines.count(b"\n") != len(fields):
        raise ValueError("an answer's header field holds what no field may hold")
    return STATUS_LINES[status] + lines


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
