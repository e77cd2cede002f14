"""The parts of a picture's file, and a cursor that never reads beyond its end."""

import struct
from dataclasses import dataclass, field

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch

__all__ = ["Cursor", "Pieces"]


@dataclass(slots=True)
class Pieces:
    """What is kept of a file, in order, and the canvas that it says it fills.

    `end` is kept too; while the file is judged, `probe` stands in its place.
    """

    width: int = 0
    height: int = 0
    frames: int = 1
    kept: list[bytes | memoryview] = field(default_factory=list)
    end: bytes = b""
    probe: bytes = b""

    def keep(self, *pieces: bytes | memoryview) -> None:
        """Keep these as they stand."""
        self.kept.extend(pieces)


class Cursor:
    """Take one thing after the other from a file; raises `NotAPicture` where the file ends too early."""

    __slots__ = ("_left", "at", "data")

    def __init__(self, data: memoryview, bounds: Bounds, at: int = 0) -> None:
        self.data = data
        self.at = at
        self._left = bounds.pieces

    @property
    def ended(self) -> bool:
        """Tell whether nothing is left."""
        return self.at >= len(self.data)

    def take(self, size: int) -> memoryview:
        """Return the next so many octets."""
        end = self.at + size
        if end > len(self.data):
            raise NotAPicture("the file ends too early")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def unpack(self, form: str) -> tuple[int, ...]:
        """Return the next figures, as `struct` reads them."""
        found: tuple[int, ...] = struct.unpack(form, self.take(struct.calcsize(form)))
        return found

    def count(self) -> None:
        """Count one chunk, segment or block; raises `TooMuch` for a file that is made of little else."""
        self._left -= 1
        if self._left < 0:
            raise TooMuch("the file is made of too many pieces")
