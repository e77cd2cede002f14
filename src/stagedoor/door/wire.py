"""Heads of answers, as bytes. Nothing leaves that could be read as a second header line (T2)."""

import http
import re
from collections.abc import Iterable, Sequence
from typing import Final

from stagedoor.problems import Problem, fields_of, render

__all__ = ["STATUS_LINES", "head_of", "problem_answer"]

# 1xx are interim and never an application's answer.
STATUS_LINES: Final = {
    code: b"HTTP/1.1 %d %b\r\n"
    % (code, http.HTTPStatus(code).phrase.encode() if code in http.HTTPStatus._value2member_map_ else b"")
    for code in range(200, 600)
}
_LINES: Final = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+")


def head_of(status: int, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return status line and fields, without the empty line. Raises `ValueError` for what cannot be a field."""
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    # One line for each field: a value that holds a line of its own would pass the pattern.
    if _LINES.fullmatch(lines) is None or lines.count(b"\n") != len(fields):
        raise ValueError("an answer's header field holds what no field may hold")
    return STATUS_LINES[status] + lines


def problem_answer(
    problem: Problem,
    fields: Iterable[tuple[bytes, bytes]],
    *,
    instance: str,
    request_id: str,
    namespace: str,
    bodiless: bool = False,
) -> bytes:
    """Return a whole answer that ends its connection; `fields` are what every answer carries, such as the date."""
    body = render(problem, instance=instance, request_id=request_id, namespace=namespace)
    own = (
        *fields,
        *fields_of(problem),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
        (b"connection", b"close"),
    )
    return head_of(problem.status, own) + b"\r\n" + (b"" if bodiless else body)
