"""JPEG (ITU-T T.81): segments behind markers, and scans of entropy-coded data between them."""

import re
import struct

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch, validate_canvas
from cinema.pictures.exif import minimal, orientation_of
from cinema.pictures.pieces import Cursor, Pieces

__all__ = ["SIGNATURE", "read"]

SIGNATURE = b"\xff\xd8\xff"
_SOI, _EOI, _SOS = b"\xff\xd8", 0xD9, 0xDA
_PROGRESSIVE = 0xC2
# A decoder that meets the end in the middle of a scan draws the rest grey and is content. One that meets zeros decodes
# them, and asks for more where too little has come; where all has come it looks 8 octets ahead and at no more.
_PROBE = bytes(16)
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive; nobody shows the others
_TABLES = frozenset({0xC4, 0xDB, 0xDD})  # Huffman, quantisation, restart interval
_ABOUT = frozenset({*range(0xE0, 0xF0), 0xFE})  # APPn and COM
# A marker inside entropy-coded data, other than a stuffed octet, a restart or a fill octet (B.1.1.2, B.1.1.5).
_MARKER = re.compile(rb"\xff(?=[^\x00\xff\xd0-\xd7])", re.DOTALL)
_FILL = re.compile(rb"\xff+[^\xff]", re.DOTALL)
_PROFILE = b"ICC_PROFILE\0"


class _JpegReading:
    """One file on its way: what is kept, and what it says of itself."""

    def __init__(self, data: memoryview, bounds: Bounds) -> None:
        self.cursor = Cursor(data, bounds, len(_SOI))
        self.bounds = bounds
        self.pieces = Pieces(frames=0)
        self.first: list[bytes | memoryview] = []  # JFIF, which stands before anything else
        self.orientation = 1
        self.scans = 0
        self.profile = 0
        self._parts = 0  # components of the frame
        self._drawn: set[int] = set()  # those that a scan has brought
        self._at_once = False  # whether one scan brings all, and all of each

    def segment(self, marker: int) -> None:
        """Take what stands behind a marker; raises `NotAPicture` and `TooMuch`."""
        start = self.cursor.at - 2
        (size,) = self.cursor.unpack(">H")
        body = self.cursor.take(size - 2) if size >= 2 else b""
        if size < 2:
            raise NotAPicture("a segment without a length")
        whole = (b"\xff", self.cursor.data[start + 1 : self.cursor.at])
        if marker in _ABOUT:
            self._about(marker, bytes(body), whole)
        elif marker in _FRAMES:
            self._frame(body)
            self._at_once = marker != _PROGRESSIVE
            self.pieces.keep(*whole)
        elif marker == _SOS:
            self._scan(bytes(body), whole)
        elif marker in _TABLES:
            self.pieces.keep(*whole)
        else:
            raise NotAPicture("a kind of JPEG that is not shown anywhere")

    def _about(self, marker: int, body: bytes, whole: tuple[bytes | memoryview, ...]) -> None:
        if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
            if not self.first:  # without the thumbnail that it may bring
                self.first.append(b"\xff\xe0\x00\x10" + body[:12] + b"\0\0")
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            self.orientation = orientation_of(body[6:])
        elif marker == 0xE2 and body.startswith(_PROFILE):
            self.profile += len(body) - len(_PROFILE) - 2
            if self.profile > self.bounds.profile:
                raise TooMuch(f"a colour profile has at most {self.bounds.profile:,} octets")
            self.pieces.keep(*whole)
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            self.pieces.keep(b"\xff\xee\x00\x0e" + body[:12])  # how its colours are to be read

    def _frame(self, body: memoryview | bytes) -> None:
        if self.pieces.frames or len(body) < 6:
            raise NotAPicture("a JPEG file has one frame")
        precision, self.pieces.height, self.pieces.width, self._parts = struct.unpack(">BHHB", body[:6])
        if precision != 8 or self._parts not in {1, 3, 4}:
            raise NotAPicture("a kind of JPEG that is not shown anywhere")
        self.pieces.frames = 1
        validate_canvas(self.pieces.width, self.pieces.height, 1, self.bounds)

    def _scan(self, body: bytes, whole: tuple[bytes | memoryview, ...]) -> None:
        self.scans += 1
        if not self.pieces.frames:
            raise NotAPicture("a scan before the frame")
        if self.scans > self.bounds.scans:
            raise TooMuch(f"a JPEG file has at most {self.bounds.scans} scans")
        count = body[0] if body else 0
        self._at_once = self._at_once and count == self._parts
        # Of all together nobody needs the names, which some programs give twice.
        self._drawn |= set(range(count) if count == self._parts else body[1 : 1 + 2 * count : 2])
        found = _MARKER.search(self.cursor.data, self.cursor.at)
        if found is None:
            raise NotAPicture("the file ends too early")
        self.pieces.keep(*whole, self.cursor.take(found.start() - self.cursor.at))

    def finish(self) -> Pieces:
        """Return what is kept; raises `NotAPicture` where a part of every pixel is missing."""
        if len(self._drawn) < max(1, self._parts):
            raise NotAPicture("there is no picture in it, or not all of it")
        self.pieces.kept[:0] = [_SOI, *self.first, *_turned(self.orientation)]
        self.pieces.end = b"\xff\xd9"
        self.pieces.probe = _PROBE if self._at_once and self.scans == 1 else self.pieces.end
        return self.pieces


def read(data: memoryview, bounds: Bounds) -> Pieces:
    """Return what is the picture; raises `NotAPicture` and `TooMuch`."""
    reading = _JpegReading(data, bounds)
    while (marker := _next_marker(reading.cursor)) != _EOI:
        reading.cursor.count()
        reading.segment(marker)
    return reading.finish()


def _next_marker(cursor: Cursor) -> int:
    """Return the next marker; any number of fill octets may stand before it (B.1.1.2)."""
    found = _FILL.match(cursor.data, cursor.at)
    if found is None:
        raise NotAPicture("octets between two segments, or the file ends too early")
    cursor.take(found.end() - cursor.at)
    return cursor.data[cursor.at - 1]


def _turned(orientation: int) -> list[bytes]:
    if orientation == 1:
        return []
    body = b"Exif\0\0" + minimal(orientation)
    return [b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body]
