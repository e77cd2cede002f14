"""PNG and APNG (W3C PNG 3): chunks, each with its length, its type and a checksum."""

import struct
import zlib

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch, validate_canvas
from cinema.pictures.exif import minimal, orientation_of
from cinema.pictures.pieces import Cursor, Pieces

__all__ = ["SIGNATURE", "read"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The picture, its animation, and what its colours mean. All else is about it, or for somebody else.
_KEPT = frozenset(
    {
        b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"acTL",
        b"fcTL", b"fdAT", b"IDAT", b"IEND",
    }
)  # fmt: skip

_PORTION = 65_536
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type (11.2.1)
_PASSES = (
    (0, 8, 0, 8),
    (4, 8, 0, 8),
    (0, 4, 4, 8),
    (2, 4, 0, 4),
    (0, 2, 2, 4),
    (1, 2, 0, 2),
    (0, 1, 1, 2),
)  # Adam7


class _PngReading:
    """One file on its way: what is kept, and what it says of itself."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.pieces = Pieces(kept=[SIGNATURE])
        self.orientation = 1
        self._seen: dict[bytes, int] = {}
        self._promised = 0
        self._apart = 0  # a still picture that is no frame of the animation
        self._rows = zlib.decompressobj()
        self._missing = 0  # octets of rows that have not come yet

    @property
    def ended(self) -> bool:
        """Tell whether the last chunk has come."""
        return b"IEND" in self._seen

    def take(self, kind: bytes, body: memoryview, whole: memoryview) -> None:
        """Take a chunk; raises `NotAPicture` and `TooMuch`."""
        if not self._seen and kind != b"IHDR":
            raise NotAPicture("the first chunk is not IHDR")
        self._seen[kind] = self._seen.get(kind, 0) + 1
        self._read(kind, body)
        if kind in _KEPT:
            self.pieces.keep(whole)
        elif not kind[0] & 0x20:
            raise NotAPicture("a critical chunk of an unknown kind")

    def _read(self, kind: bytes, body: memoryview) -> None:
        match kind:
            case b"IHDR":
                self._header(body)
            case b"IDAT":
                self._inflate(body)
            case b"fcTL":
                self._frame()
            case b"acTL":
                self._promised = int.from_bytes(body[:4])
            case b"iCCP":
                _validate_profile(body, self.bounds)
            case b"eXIf":
                self.orientation = orientation_of(body)

    def _header(self, body: memoryview) -> None:
        if self._seen[b"IHDR"] > 1 or len(body) != 13:
            raise NotAPicture("IHDR stands once and has 13 octets")
        self.pieces.width, self.pieces.height = struct.unpack(">II", body[:8])
        validate_canvas(self.pieces.width, self.pieces.height, 1, self.bounds)
        self._missing = _octets_of(
            self.pieces.width, self.pieces.height, *body[8:10], interlaced=bool(body[12])
        )

    def _inflate(self, body: memoryview) -> None:
        """Count the rows: a decoder leaves what is missing black, and looks at nothing behind them."""
        try:
            for at in range(0, len(body), _PORTION):
                rest: bytes | memoryview = body[at : at + _PORTION]
                while rest and not self._rows.eof:
                    self._missing -= len(self._rows.decompress(rest, _PORTION))
                    rest = self._rows.unconsumed_tail
                    if self._missing < -_PORTION:
                        raise TooMuch("it inflates to more than its pixels")
        except zlib.error as error:
            raise NotAPicture("its rows cannot be inflated") from error

    def _frame(self) -> None:
        """Count a frame; a still picture before the first of them is one more."""
        if self._seen[b"fcTL"] == 1 and b"IDAT" in self._seen:
            self._apart = 1
        self.pieces.frames = self._seen[b"fcTL"] + self._apart
        validate_canvas(self.pieces.width, self.pieces.height, self.pieces.frames, self.bounds)

    def finish(self) -> None:
        """Raise `NotAPicture` unless there is a picture, with the frames that it says it has."""
        if b"IDAT" not in self._seen:
            raise NotAPicture("there is no picture in it")
        if self._missing > 0 or not self._rows.eof:
            raise NotAPicture("rows are missing")
        said = self._seen.get(b"acTL", 0)
        if said and (said > 1 or self._promised != self._seen.get(b"fcTL", 0)):
            raise NotAPicture("the animation has other frames than it says")


def read(data: memoryview, bounds: Bounds) -> Pieces:
    """Return what is the picture; raises `NotAPicture` and `TooMuch`."""
    cursor, reading = Cursor(data, bounds, len(SIGNATURE)), _PngReading(bounds)
    while not reading.ended:
        cursor.count()
        reading.take(*_chunk(cursor))
    reading.finish()
    if reading.orientation != 1:
        # Behind the header, before any picture (11.3.3.6).
        reading.pieces.kept.insert(2, _written(b"eXIf", minimal(reading.orientation)))
    return reading.pieces


def _octets_of(width: int, height: int, depth: int, colours: int, *, interlaced: bool) -> int:
    """Return how many octets the rows have, each with the octet that names its filter (7.2, 8.1)."""
    bits = depth * _SAMPLES.get(colours, 0)
    if not bits:
        raise NotAPicture("a kind of colour that there is not")
    octets = 0
    for left, across, top, down in _PASSES if interlaced else ((0, 1, 0, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        octets += rows * (1 + (columns * bits + 7) // 8) if columns > 0 and rows > 0 else 0
    return octets


def _chunk(cursor: Cursor) -> tuple[bytes, memoryview, memoryview]:
    """Return a chunk's type, its body and all of it; raises `NotAPicture` for a checksum that is wrong."""
    start = cursor.at
    (size,) = cursor.unpack(">I")
    kind, body = bytes(cursor.take(4)), cursor.take(size)
    (said,) = cursor.unpack(">I")
    whole = cursor.data[start : cursor.at]
    if zlib.crc32(whole[4:-4]) != said:
        raise NotAPicture("the checksum of a chunk is wrong")
    return kind, body, whole


def _validate_profile(body: memoryview, bounds: Bounds) -> None:
    name, zero, rest = bytes(body).partition(b"\0")
    if not zero or not 1 <= len(name) <= 79:
        raise NotAPicture("a colour profile without a name")
    try:
        inflated = zlib.decompressobj().decompress(rest[1:], bounds.profile + 1)
    except zlib.error as error:
        raise NotAPicture("a colour profile that cannot be inflated") from error
    if len(inflated) > bounds.profile:
        raise TooMuch(f"a colour profile has at most {bounds.profile:,} octets")


def _written(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
