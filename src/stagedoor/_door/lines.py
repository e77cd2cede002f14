"""Lines as HTTP/1.1 has them: what may stand in one, and where it ends however its octets come (RFC 9112 2.2 to 5).

Octets arrive cut anywhere, and the verdict must not depend on where. So a line has one place where it goes wrong: the
first octet that no line may hold (a control, or a CR or LF on its own), or the first one beyond its room, whichever
is sooner; and if there is none, its end, where its grammar is looked at. Whoever reads lines one after the other then
finds the same fault first, in whatever pieces they came.
"""

import re
from typing import Final

from stagedoor._problems import ProblemDetails

__all__ = ["FIELD", "PLAIN_FIELDS", "REQUEST_LINE", "Refusal", "end_of_line"]

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE: Final = rb"[\t\x20-\x7e\x80-\xff]*+"

REQUEST_LINE: Final = re.compile(rb"(%b) ([!-~]++) HTTP/([0-9]\.[0-9])\r\n" % _TOKEN)
FIELD: Final = re.compile(rb"(%b):(%b)\r\n" % (_TOKEN, _VALUE))
# RFC 9112 5. Gateways behind may read a name with an underscore as its hyphenated twin (T3): such are left to `FIELD`.
PLAIN_FIELDS: Final = re.compile(rb"(?:%b:%b\r\n)*+" % (_TOKEN.replace(b"_", b""), _VALUE))
_SOUND: Final = re.compile(rb"%b(?:\r\n?)?" % _VALUE)


class Refusal(Exception):
    """Octets that are not read any further, and the problem that says why."""

    def __init__(self, problem: ProblemDetails) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def end_of_line(
    data: bytes, start: int, seen: int, room: int, broken: ProblemDetails, long: ProblemDetails
) -> int:
    """Return where the line that begins at `start` ends, 0 if its end is not here.

    What stands before `seen` was looked at before; `room` is how many octets the line may have, CRLF included.
    Raises `Refusal`: `broken` for an octet that no line may hold, `long` for a line without end in its room.
    """
    end = data.find(b"\n", seen) + 1
    here = end or len(data)
    # From one octet back: the CR at the end of what was here must be followed by LF.
    if _SOUND.fullmatch(data, max(start, seen - 1), min(here, start + room)) is None:
        raise Refusal(broken)
    if here - start > room:
        raise Refusal(long)
    return end
