"""WebP (RFC 9649): a RIFF file of chunks, each padded to an even length."""

import struct

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch, validate_canvas
from cinema.pictures.exif import minimal, orientation_of
from cinema.pictures.pieces import Cursor, Pieces

__all__ = ["SIGNATURE", "read"]

SIGNATURE = b"RIFF"
_PROFILE, _EXIF, _XMP = 0x20, 0x08, 0x04  # flags of VP8X (2.7.1)
_PICTURES = frozenset({b"VP8 ", b"VP8L"})
_OF_A_FRAME = _PICTURES | {b"ALPH"}
_KEPT = _OF_A_FRAME | {b"ICCP", b"ANIM"}
_ANIM_BYTES = 6  # background and loops (2.7.1.1)


def read(data: memoryview, bounds: Bounds) -> Pieces:
    """Return what is the picture; raises `NotAPicture` and `TooMuch`."""
    cursor = Cursor(data, bounds)
    cursor.take(len(SIGNATURE))
    # What follows the RIFF file is none of it.
    cursor = Cursor(cursor.take(cursor.unpack("<I")[0]), bounds)
    if bytes(cursor.take(4)) != b"WEBP":
        raise NotAPicture("a RIFF file of another kind")
    kind, body = _chunk(cursor)
    if kind in _PICTURES:
        pieces = Pieces(*_size_of(kind, body))
        return _framed(pieces, [_written(kind, body)])
    if kind != b"VP8X" or len(body) < 10:
        raise NotAPicture("the first chunk is no picture")
    return _extended(cursor, body, bounds)


def _extended(cursor: Cursor, header: memoryview, bounds: Bounds) -> Pieces:
    width, height = (int.from_bytes(header[at : at + 3], "little") + 1 for at in (4, 7))
    pieces = Pieces(width, height, frames=0)
    validate_canvas(width, height, 1, bounds)
    orientation, chunks = 1, list[bytes | memoryview]()
    stills, profiles = 0, 0
    while not cursor.ended:
        cursor.count()
        kind, body = _chunk(cursor)
        if kind == b"EXIF":
            orientation = orientation_of(bytes(body).removeprefix(b"Exif\0\0"))
        elif kind == b"ANMF":
            pieces.frames += 1
            validate_canvas(width, height, pieces.frames, bounds)
            chunks.append(_written(kind, _frame(body, bounds)))
        elif kind in _KEPT:
            stills, profiles = stills + (kind in _PICTURES), profiles + (kind == b"ICCP")
            _validate_profile(kind, body, profiles, bounds)
            chunks.append(_written(kind, body[:_ANIM_BYTES] if kind == b"ANIM" else body))
    if stills + min(pieces.frames, 1) != 1:
        raise NotAPicture("there is no picture in it, or more than one")
    pieces.frames = max(pieces.frames, 1)
    flags = header[0] & ~(_XMP | _EXIF | _PROFILE) | (_PROFILE if profiles else 0)
    if orientation != 1:
        flags |= _EXIF
        chunks.append(_written(b"EXIF", minimal(orientation)))
    return _framed(pieces, [_written(b"VP8X", bytes([flags]) + bytes(header[1:10])), *chunks])


def _frame(body: memoryview, bounds: Bounds) -> bytes:
    """Return a frame of an animation without what is not its picture."""
    cursor = Cursor(body, bounds)
    kept = [bytes(cursor.take(16))]
    while not cursor.ended:
        kind, inner = _chunk(cursor)
        if kind in _OF_A_FRAME:
            kept.append(_written(kind, inner))
    return b"".join(kept)


def _validate_profile(kind: bytes, body: memoryview, times: int, bounds: Bounds) -> None:
    if kind == b"ICCP" and (len(body) > bounds.profile or times > 1):
        raise TooMuch(f"a picture has one colour profile, of at most {bounds.profile:,} octets")


def _chunk(cursor: Cursor) -> tuple[bytes, memoryview]:
    kind, size = bytes(cursor.take(4)), cursor.unpack("<I")[0]
    body = cursor.take(size)
    if size % 2 and not cursor.ended:
        cursor.take(1)
    return kind, body


def _size_of(kind: bytes, body: memoryview) -> tuple[int, int]:
    """Return width and height as the picture itself says them."""
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", Cursor(body, Bounds(), 1).take(4))
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", Cursor(body, Bounds(), 6).take(4))
    return width & 0x3FFF, height & 0x3FFF


def _written(kind: bytes, body: bytes | memoryview) -> bytes:
    return b"".join((kind, struct.pack("<I", len(body)), body, b"\0" * (len(body) % 2)))


def _framed(pieces: Pieces, chunks: list[bytes | memoryview]) -> Pieces:
    size = 4 + sum(map(len, chunks))
    pieces.keep(b"RIFF" + struct.pack("<I", size) + b"WEBP", *chunks)
    return pieces
