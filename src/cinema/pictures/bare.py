"""What is left of a file when everything but the picture is gone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from cinema.pictures import gif, jpeg, png, webp
from cinema.pictures.bounds import Bounds, NotAPicture, validate_canvas
from cinema.pictures.pieces import Pieces

__all__ = ["Bare", "bared"]

Reader: TypeAlias = Callable[[memoryview, Bounds], Pieces]


@dataclass(frozen=True, slots=True)
class Bare:
    """A picture by its format (the ending of its name) and what its file is made of."""

    format: str
    pieces: Pieces


_READERS: tuple[tuple[str, Reader], ...] = (
    ("png", png.read),
    ("jpg", jpeg.read),
    ("gif", gif.read),
    ("webp", webp.read),
)
_SIGNATURES = {"png": png.SIGNATURE, "jpg": jpeg.SIGNATURE, "gif": gif.SIGNATURE, "webp": webp.SIGNATURE}


def bared(data: memoryview, bounds: Bounds) -> Bare:
    """Return what is the picture in a file; raises `NotAPicture` and `TooMuch`."""
    for name, read in _READERS:
        if bytes(data[: len(_SIGNATURES[name])]) == _SIGNATURES[name]:
            try:
                pieces = read(data, bounds)
            except (IndexError, ValueError) as error:  # a structure that points outside the file
                raise NotAPicture(f"a broken {name} file") from error
            validate_canvas(pieces.width, pieces.height, pieces.frames, bounds)
            return Bare(name, pieces)
    raise NotAPicture("neither PNG, JPEG, WebP nor GIF")
