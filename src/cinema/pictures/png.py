"""PNG and APNG (W3C PNG 3): chunks, each with its length, its type and a checksum."""

import struct
import zlib

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch, validate_canvas
from cinema.pictures.exif import minimal, orientation_of
from cinema.pictures.pieces import Cursor, Pieces

__all__ = ["SIGNATURE", "read"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
# What its colours mean, with the octets that it may have (11.3). All else is about the picture, or for somebody else.
_COLOURS = {
    b"tRNS": range(1, 257), b"gAMA": (4,), b"cHRM": (32,), b"sRGB": (1,), b"sBIT": range(1, 5), b"cICP": (4,),
    b"mDCV": (24,), b"cLLI": (8,), b"iCCP": range(1 << 31),
}  # fmt: skip

_PORTION = 65_536
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type (11.2.1)
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_INDEXED = 3
_PASSES = (
    (0, 8, 0, 8),
    (4, 8, 0, 8),
    (0, 4, 4, 8),
    (2, 4, 0, 4),
    (0, 2, 2, 4),
    (1, 2, 0, 2),
    (0, 1, 1, 2),
)  # Adam7


class _Rows:
    """The rows of a picture, counted: a decoder leaves what is missing black, and looks at nothing behind them."""

    def __init__(self, octets: int) -> None:
        self._missing = octets
        self._inflating = zlib.decompressobj()
        self._ended = False

    def add(self, body: memoryview) -> int:
        """Take more of them; return how many of the octets are theirs. Raises `NotAPicture` and `TooMuch`."""
        used = 0
        for at in range(0, len(body), _PORTION):
            if not self._ended:
                used += self._inflate(body[at : at + _PORTION])
        return used

    def _inflate(self, portion: memoryview) -> int:
        rest: bytes | memoryview = portion
        try:
            while rest and not self._ended:
                self._missing -= len(self._inflating.decompress(rest, _PORTION))
                rest, self._ended = self._inflating.unconsumed_tail, self._inflating.eof
                if self._missing < -_PORTION:
                    raise TooMuch("it inflates to more than its pixels")
        except zlib.error as error:
            raise NotAPicture("its rows cannot be inflated") from error
        return len(portion) - len(self._inflating.unused_data)

    @property
    def whole(self) -> bool:
        """Tell whether all have come."""
        return self._missing <= 0 and self._ended


class _PngReading:
    """One file on its way: what is kept, and what it says of itself."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.pieces = Pieces(kept=[SIGNATURE])
        self.orientation = 1
        self._seen: dict[bytes, int] = {}
        self._header = b""
        self._promised = 0
        self._apart = 0  # a still picture that is no frame of the animation
        self._still = _Rows(0)
        self._frame: _Rows | None = None  # of the animation, where it is not the still picture
        self._whole = True  # all frames before that one

    @property
    def ended(self) -> bool:
        """Tell whether the last chunk has come."""
        return b"IEND" in self._seen

    def take(self, kind: bytes, body: memoryview, whole: memoryview) -> None:
        """Take a chunk; raises `NotAPicture` and `TooMuch`."""
        if not self._seen and kind != b"IHDR":
            raise NotAPicture("the first chunk is not IHDR")
        if kind in _ANIMATION and not self._is_animation(kind):
            return
        self._seen[kind] = self._seen.get(kind, 0) + 1
        used = self._read(kind, body)
        if used < len(body):  # octets behind the end of what is deflated are no part of it
            whole = memoryview(_written(kind, bytes(body[:used])))
        if kind in _PICTURE | _ANIMATION or (self._seen[kind] == 1 and used in _COLOURS.get(kind, ())):
            self.pieces.keep(whole)
        elif not kind[0] & 0x20:
            raise NotAPicture("a critical chunk of an unknown kind")

    def _is_animation(self, kind: bytes) -> bool:
        """Tell whether anybody will take it for one: acTL stands before the picture (APNG, or PNG 3, 11.3.2.1)."""
        return b"acTL" in self._seen or (kind == b"acTL" and b"IDAT" not in self._seen)

    def _read(self, kind: bytes, body: memoryview) -> int:
        """Read a chunk; return how many of its octets are what it is for."""
        match kind:
            case b"IHDR":
                self._begin(body)
            case b"PLTE":
                self._palette(body)
            case b"IDAT":
                return self._rows(body)
            case b"IEND":
                return 0
            case b"fdAT":
                return self._more_of_frame(body)
            case b"fcTL":
                self._next_frame(body)
            case _:
                return self._about(kind, body)
        return len(body)

    def _about(self, kind: bytes, body: memoryview) -> int:
        if kind == b"iCCP":
            return _profile_in(body, self.bounds)
        if kind == b"eXIf":
            self.orientation = orientation_of(body)
        if kind == b"acTL":
            if len(body) != 8:
                raise NotAPicture("acTL has 8 octets")
            self._promised = int.from_bytes(body[:4])
        return len(body)

    def _begin(self, body: memoryview) -> None:
        if self._seen[b"IHDR"] > 1 or len(body) != 13:
            raise NotAPicture("IHDR stands once and has 13 octets")
        self._header = bytes(body)
        depth, colours, compression, filters, interlace = self._header[8:]
        if depth not in _DEPTHS.get(colours, ()) or compression or filters or interlace > 1:
            raise NotAPicture("a kind of PNG that there is not")
        self.pieces.width, self.pieces.height = struct.unpack(">II", body[:8])
        validate_canvas(self.pieces.width, self.pieces.height, 1, self.bounds)
        self._still = self._rows_of(self.pieces.width, self.pieces.height)

    def _rows_of(self, width: int, height: int) -> _Rows:
        depth, colours, interlaced = self._header[8], self._header[9], bool(self._header[12])
        return _Rows(_octets_of(width, height, depth * _SAMPLES[colours], interlaced=interlaced))

    def _palette(self, body: memoryview) -> None:
        if self._seen[b"PLTE"] > 1 or not 3 <= len(body) <= 768 or len(body) % 3:
            raise NotAPicture("PLTE stands once and has 1 to 256 colours")

    def _rows(self, body: memoryview) -> int:
        if self._header[9] == _INDEXED and b"PLTE" not in self._seen:
            raise NotAPicture("a palette is missing")
        return self._still.add(body)

    def _next_frame(self, body: memoryview) -> None:
        """Begin a frame, and count it; a still picture before the first of them is one more."""
        if len(body) != 26:
            raise NotAPicture("fcTL has 26 octets")
        behind, pieces = b"IDAT" in self._seen, self.pieces
        if self._seen[b"fcTL"] == 1:
            self._apart = int(behind)
        pieces.frames = self._seen[b"fcTL"] + self._apart
        validate_canvas(pieces.width, pieces.height, pieces.frames, self.bounds)
        width, height = struct.unpack(">II", body[4:12])
        if not 0 < width <= pieces.width or not 0 < height <= pieces.height:
            raise NotAPicture("a frame that is no part of the picture")
        self._end_frame()
        self._frame = self._rows_of(width, height) if behind else None

    def _more_of_frame(self, body: memoryview) -> int:
        if self._frame is None or len(body) < 4:
            raise NotAPicture("rows of no frame")
        return 4 + self._frame.add(body[4:])  # behind its number

    def _end_frame(self) -> None:
        self._whole = self._whole and (self._frame is None or self._frame.whole)

    def finish(self) -> None:
        """Raise `NotAPicture` unless there is a picture, with the frames that it says it has."""
        if b"IDAT" not in self._seen:
            raise NotAPicture("there is no picture in it")
        self._end_frame()
        if not self._still.whole or not self._whole:
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


def _octets_of(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Return how many octets the rows have, each with the octet that names its filter (7.2, 8.1)."""
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


def _profile_in(body: memoryview, bounds: Bounds) -> int:
    """Return how many of the octets are a colour profile and its name."""
    name, zero, rest = bytes(body).partition(b"\0")
    if not zero or not 1 <= len(name) <= 79:
        raise NotAPicture("a colour profile without a name")
    inflating = zlib.decompressobj()
    try:
        inflated = inflating.decompress(rest[1:], bounds.profile + 1)
    except zlib.error as error:
        raise NotAPicture("a colour profile that cannot be inflated") from error
    if len(inflated) > bounds.profile:
        raise TooMuch(f"a colour profile has at most {bounds.profile:,} octets")
    return len(body) - len(inflating.unused_data)


def _written(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
