"""What the fields of a head say about the message round it: its body's length, and the connection (RFC 9112 6, 9)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from stagedoor import _problems as problems
from stagedoor._door.lines import Refusal

__all__ = ["CHUNKED", "Framing", "framing_of"]

CHUNKED: Final = -1
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"expect"})
_DIGITS: Final = 18  # of a length, without leading zeros: no body is as long as that


class Framing(NamedTuple):
    """The length of the body or `CHUNKED`, whether the connection may go on, and whether 100 is waited for."""

    length: int
    keep_alive: bool
    expects_continue: bool


_PLAIN: Final = Framing(0, keep_alive=True, expects_continue=False)
_OLD: Final = Framing(0, keep_alive=False, expects_continue=False)


def framing_of(version: str, fields: Sequence[tuple[bytes, bytes]]) -> Framing:
    """Return what the fields say; their names are in lower case. Raises `Refusal` where they are in doubt (H7)."""
    named = [field for field in fields if field[0] in _FRAMING]
    if not named:
        return _OLD if version == "1.0" else _PLAIN
    length: int | None = None
    closes, expects = version == "1.0", False
    for name, value in named:
        if name == b"connection":
            closes = closes or _lists(value, b"close")
        elif name == b"expect":
            expects = (expects or _lists(value, b"100-continue")) and version != "1.0"
        elif length is not None:
            # RFC 9112 6.3: one of the two, once. A repeated equal length may be refused too, and is.
            raise Refusal(problems.bad_request("the length of the body is in doubt"))
        else:
            length = _figure(value) if name == b"content-length" else _coding(value, version)
    return Framing(length or 0, not closes, expects)


def _lists(value: bytes, option: bytes) -> bool:
    """Tell whether a list names an option (RFC 9110 5.6.1), in any case; a long list costs no more than its octets."""
    return b",%b," % option in b",%b," % value.lower().translate(None, b" \t")


def _coding(value: bytes, version: str) -> int:
    if value.lower() != b"chunked" or version == "1.0":
        raise Refusal(problems.bad_request("this transfer coding is not spoken here"))
    return CHUNKED


def _figure(value: bytes) -> int:
    figure = value.lstrip(b"0")
    if not value.isdigit() or len(figure) > _DIGITS:
        raise Refusal(problems.bad_request("Content-Length is not valid"))
    return int(figure or b"0")
