"""GIF (87a and 89a): blocks, most of them in sub-blocks of up to 255 octets."""

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch, validate_canvas
from cinema.pictures.pieces import Cursor, Pieces

__all__ = ["SIGNATURE", "read"]

SIGNATURE = b"GIF8"
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0"})
_TIMES = b"\x03\x01"  # a sub-block of three octets that says how often
_PROFILE = b"ICCRGBG1012"
_MOST_BLOCKS = 1_000_000  # of one picture: ten times what 20 MiB are made of, if its blocks are full


def read(data: memoryview, bounds: Bounds) -> Pieces:
    """Return what is the picture; raises `NotAPicture` and `TooMuch`."""
    cursor, pieces = Cursor(data, bounds), Pieces(frames=0)
    if bytes(cursor.take(6)) not in {b"GIF87a", b"GIF89a"}:
        raise NotAPicture("neither GIF87a nor GIF89a")
    pieces.width, pieces.height, flags, _, _ = cursor.unpack("<HHBBB")
    _pass_colours(cursor, flags)
    pieces.keep(data[: cursor.at])
    while (kind := cursor.unpack("B")[0]) != _TRAILER:
        if kind == _IMAGE:
            _image(cursor, pieces, bounds)
        elif kind == _EXTENSION:
            _extension(cursor, pieces, bounds)
        elif kind:  # some programs leave zeros between blocks
            raise NotAPicture("a block of an unknown kind")
        cursor.count()
    validate_canvas(pieces.width, pieces.height, pieces.frames, bounds)
    pieces.keep(b";")
    return pieces


def _image(cursor: Cursor, pieces: Pieces, bounds: Bounds) -> None:
    start = cursor.at - 1
    left, top, width, height, flags = cursor.unpack("<HHHHB")
    pieces.frames += 1
    # A frame may reach beyond the screen that the file says it has; then that is drawn larger.
    pieces.width, pieces.height = max(pieces.width, left + width), max(pieces.height, top + height)
    if not (width and height):
        raise NotAPicture("a frame without pixels")
    validate_canvas(pieces.width, pieces.height, pieces.frames, bounds)
    _pass_colours(cursor, flags)
    (bits,) = cursor.unpack("B")
    if not 1 <= bits <= 11:
        raise NotAPicture("a picture with an impossible code size")
    _pass_blocks(cursor)
    pieces.keep(cursor.data[start : cursor.at])


def _extension(cursor: Cursor, pieces: Pieces, bounds: Bounds) -> None:
    start = cursor.at - 1
    label, size = cursor.unpack("BB")
    first = bytes(cursor.take(size))
    if size:
        _pass_blocks(cursor)
    behind = cursor.data[start + 3 + size : cursor.at]
    if label == _CONTROL and size == 4:
        pieces.keep(cursor.data[start : start + 7], b"\0")
    elif label == _APPLICATION and first in _LOOPS and bytes(behind[:2]) == _TIMES and len(behind) > 4:
        pieces.keep(cursor.data[start : start + 3 + size + 4], b"\0")
    elif label == _APPLICATION and first == _PROFILE:
        if cursor.at - start > bounds.profile:
            raise TooMuch(f"a colour profile has at most {bounds.profile:,} octets")
        pieces.keep(cursor.data[start : cursor.at])


def _pass_colours(cursor: Cursor, flags: int) -> None:
    """Pass over a colour table, if the flags say that one follows."""
    if flags & 0x80:
        cursor.take(3 << ((flags & 7) + 1))


def _pass_blocks(cursor: Cursor) -> None:
    """Pass over sub-blocks, to the empty one that ends them."""
    data, at, end, left = cursor.data, cursor.at, len(cursor.data), _MOST_BLOCKS
    while at < end and data[at] and left:
        at += data[at] + 1
        left -= 1
    if not left:
        raise TooMuch("a picture is made of too many blocks")
    cursor.at = at
    cursor.take(1)
