"""Heads of requests: from octets to a request line and fields, or to the first fault.

A head that is whole and good is read by two patterns, in one go. Everything else, a part of a head or one with a
fault, is read line by line. Both ways come to one verdict.
"""

from typing import Final

from stagedoor import _problems as problems
from stagedoor._door.limits import DoorLimits
from stagedoor._door.lines import FIELD, PLAIN_FIELDS, REQUEST_LINE, Refusal, end_of_line

__all__ = ["Fields", "HeadLines", "whole_head"]

Fields = list[tuple[bytes, bytes]]

_BAD_LINE: Final = problems.bad_request("the request line is not valid")
_BAD_FIELD: Final = problems.bad_request("a header field is not valid")
_TWIN: Final = problems.bad_request("field names with an underscore are not accepted")
_TOO_LARGE: Final = problems.headers_too_large()


def whole_head(
    data: bytes, start: int, end: int, limits: DoorLimits
) -> tuple[bytes, bytes, bytes, Fields] | None:
    """Return method, target, version and fields of the head whose last line begins at `end`; None if in doubt."""
    line = REQUEST_LINE.match(data, start, end)
    if line is None or line.end() - start > limits.request_line or end + 2 - line.end() > limits.header_bytes:
        return None
    if PLAIN_FIELDS.fullmatch(data, line.end(), end) is None:
        return None
    fields = []
    for each in data[line.end() : end].splitlines():
        name, _, value = each.partition(b":")
        # RFC 9112 5.1, 9110 5.5: white space around a value is no part of it.
        fields.append((name.lower(), value.strip(b" \t")))
    if len(fields) > limits.header_fields:
        return None
    method, target, version = line.groups()
    return method, target, version, fields


class HeadLines:
    """A head that is not whole yet, or not good: its lines, judged in their order."""

    __slots__ = ("_limits", "_line", "_room", "_seen", "fields", "method", "target", "version")

    def __init__(self, limits: DoorLimits) -> None:
        self.method = self.target = self.version = b""
        self.fields: Fields = []
        self._limits = limits
        self._line = 0  # where the line begins that is not complete
        self._seen = 0
        self._room = limits.header_bytes

    def look(self, head: bytes) -> int:
        """Judge what has come since the last look; return where the head ends, 0 if not here. Raises `Refusal`."""
        while (end := self._end_of_line(head)) != 0:
            if self._line == 0:
                self._request_line(head[:end])
            elif end - self._line == 2:
                return end
            else:
                self._field(head[self._line : end])
            self._line = self._seen = end
        self._seen = len(head)
        return 0

    def _end_of_line(self, head: bytes) -> int:
        if self._line:
            return end_of_line(head, self._line, self._seen, self._room, _BAD_FIELD, _TOO_LARGE)
        room = self._limits.request_line
        long = problems.uri_too_long(room)
        try:
            return end_of_line(head, 0, self._seen, room, _BAD_LINE, long)
        except Refusal as refusal:
            if refusal.problem is long:  # the answer names what there is of the target
                self.target = head[:room].partition(b" ")[2].partition(b" ")[0]
            raise

    def _request_line(self, line: bytes) -> None:
        parts = REQUEST_LINE.fullmatch(line)
        if parts is None:
            raise Refusal(_BAD_LINE)
        self.method, self.target, self.version = parts.groups()

    def _field(self, line: bytes) -> None:
        if len(self.fields) >= self._limits.header_fields:
            raise Refusal(_TOO_LARGE)
        field = FIELD.fullmatch(line)
        if field is None:
            raise Refusal(_BAD_FIELD)
        if b"_" in field[1]:
            raise Refusal(_TWIN)
        self.fields.append((field[1].lower(), field[2].strip(b" \t")))
        self._room -= len(line)
