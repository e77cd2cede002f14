"""Read multipart/form-data (RFC 7578) as it comes, without I/O and within bounds.

Theory. `Parser.feed` takes octets in any portions and returns events: a part begins, some of its content, a part ends.
It keeps no content: at most one delimiter's length of it, since a delimiter may be cut by the edge of a portion, and
one part's header block. `Parser.close` says that the input is at its end; an input without its closing delimiter was
cut off. Content is never looked into, so that a multipart body within a part is content like any other.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["Begun", "BodyTooLarge", "Content", "Malformed", "Parser", "PartsEnded", "boundary_of"]

_HEADER_BYTES: Final = 8 * 1024  # of one part; browsers write some 200
_PARTS: Final = 16
_LONGEST_BOUNDARY: Final = 70  # RFC 2046 5.1.1
_PREAMBLE: Final = 4 * 1024
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER: Final = re.compile(rb';\s*([!#$%&*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))')
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Malformed(Exception):
    """The body is no multipart/form-data."""


class BodyTooLarge(Exception):
    """The body is beyond a bound."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A part begins: its name, and whether it is a file."""

    name: str
    is_file: bool


@dataclass(frozen=True, slots=True)
class Content:
    """Some of the content of the part that has begun."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class PartsEnded:
    """The part that had begun is complete."""


Event: TypeAlias = Begun | Content | PartsEnded
_State: TypeAlias = Literal["preamble", "delimiter", "headers", "content", "epilogue"]


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary that a Content-Type names; None if it is another type.

    Raises:
        Malformed: it is multipart/form-data without a boundary that can be one.

    """
    kind, _, rest = content_type.encode("latin-1", "replace").partition(b";")
    if kind.strip().lower() != b"multipart/form-data":
        return None
    found = _parameters(b";" + rest).get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(found):
        raise Malformed("the content type names no boundary")
    return found


class Parser:
    """One body on its way in."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._held = bytearray(b"\r\n")  # so that the first delimiter looks like the others
        self._state: _State = "preamble"
        self._parts = 0

    def feed(self, octets: bytes) -> list[Event]:
        """Return what these octets complete.

        Raises:
            Malformed: this is no multipart/form-data.
            BodyTooLarge: over 16 parts, or a header block over 8 KiB.

        """
        self._held += octets
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def close(self) -> None:
        """Say that nothing more comes; raises `Malformed` if there should."""
        if self._state != "epilogue":
            raise Malformed("the body ends before its last part does")

    def _step(self, events: list[Event]) -> bool:
        match self._state:
            case "preamble":
                return self._seek()
            case "delimiter":
                return self._after_delimiter()
            case "headers":
                return self._begin(events)
            case "content":
                return self._content(events)
        self._held.clear()  # an epilogue is to be ignored (RFC 2046 5.1.1)
        return False

    def _seek(self) -> bool:
        place = self._held.find(self._delimiter)
        if place < 0:
            if len(self._held) > _PREAMBLE + len(self._delimiter):
                raise Malformed("the body does not begin with its boundary")
            return False
        return self._passed(place)

    def _passed(self, place: int) -> bool:
        del self._held[: place + len(self._delimiter)]
        self._state = "delimiter"
        return True

    def _after_delimiter(self) -> bool:
        if self._held.startswith(b"--"):
            self._state = "epilogue"
            return True
        # Blanks may stand behind a delimiter (RFC 2046 5.1.1).
        line, found, _ = self._held[: _LONGEST_BOUNDARY + 2].partition(b"\r\n")
        if not found:
            if len(self._held) > _LONGEST_BOUNDARY:
                raise Malformed("a boundary is followed by something else than a line's end")
            return False
        if line.strip(b" \t"):
            raise Malformed("a boundary is followed by something else than a line's end")
        del self._held[: len(line)]  # its line's end stays, as there may be no header at all
        self._state = "headers"
        return True

    def _begin(self, events: list[Event]) -> bool:
        place = self._held.find(b"\r\n\r\n", 0, _HEADER_BYTES)
        if place < 0:
            if len(self._held) >= _HEADER_BYTES:
                raise BodyTooLarge(f"the header of a part has at most {_HEADER_BYTES:,} bytes")
            return False
        self._parts += 1
        if self._parts > _PARTS:
            raise BodyTooLarge(f"there are at most {_PARTS} parts")
        events.append(_begun(bytes(self._held[2:place])))
        del self._held[: place + 4]
        self._state = "content"
        return True

    def _content(self, events: list[Event]) -> bool:
        place = self._held.find(self._delimiter)
        # What may be the beginning of a delimiter stays until it is known.
        known = place if place >= 0 else len(self._held) - len(self._delimiter) + 1
        if known > 0:
            events.append(Content(bytes(memoryview(self._held)[:known])))
        if place >= 0:
            events.append(PartsEnded())
            return self._passed(place)
        if known > 0:
            del self._held[:known]
        return False


def _begun(block: bytes) -> Begun:
    """Read the header of a part; what it says of type and file name counts for nothing (T11)."""
    fields = dict(_field(line) for line in block.split(b"\r\n") if line)
    kind, _, rest = fields.get(b"content-disposition", b"").partition(b";")
    if kind.strip().lower() != b"form-data":
        raise Malformed("a part has no Content-Disposition of form-data")
    if fields.get(b"content-transfer-encoding", b"binary").lower() not in {b"binary", b"8bit", b"7bit"}:
        raise Malformed("a part has a transfer encoding, which RFC 7578 4.7 does not allow")
    said = _parameters(b";" + rest)
    try:
        name = said[b"name"].decode()
    except (KeyError, UnicodeDecodeError):
        raise Malformed("a part has no name") from None
    return Begun(name, b"filename" in said or b"filename*" in said)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, found, said = line.partition(b":")
    if not found or not _NAME.fullmatch(name) or _CONTROL.search(said):
        raise Malformed("the header of a part cannot be read")
    return name.lower(), said.strip(b" \t")


def _parameters(text: bytes) -> dict[bytes, bytes]:
    found = {}
    for name, quoted, plain in _PARAMETER.findall(text):
        # Browsers write a quotation mark as %22, others as \" (RFC 9110 5.6.4).
        found[name.lower()] = re.sub(rb"\\(.)", rb"\1", quoted) if quoted else plain
    return found
