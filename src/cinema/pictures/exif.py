"""Of Exif the one entry that changes how a picture stands: its orientation (CIPA DC-008, TIFF 6.0)."""

import struct

__all__ = ["minimal", "orientation_of"]

_ORIENTATION = 0x0112
_SHORT = 3
_MOST_ENTRIES = 1_000


def orientation_of(tiff: bytes | memoryview) -> int:
    """Return the orientation, 1 to 8; 1, which is upright, for whatever cannot be read."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(tiff[:2]))
    if order is None:
        return 1
    try:
        found = _entry(tiff, order)
    except struct.error:
        return 1
    return found if 1 <= found <= 8 else 1


def _entry(tiff: bytes | memoryview, order: str) -> int:
    magic, first = struct.unpack_from(f"{order}HI", tiff, 2)
    if magic != 42:
        return 1
    (count,) = struct.unpack_from(f"{order}H", tiff, first)
    for index in range(min(count, _MOST_ENTRIES)):
        tag, kind, number = struct.unpack_from(f"{order}HHI", tiff, first + 2 + 12 * index)
        if (tag, kind, number) == (_ORIENTATION, _SHORT, 1):
            (found,) = struct.unpack_from(f"{order}H", tiff, first + 10 + 12 * index)
            return int(found)
    return 1


def minimal(orientation: int) -> bytes:
    """Return Exif that says the orientation and nothing else, without the prefix that JPEG gives it."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0, 0)
