"""How much a picture may be, and the two ways in which a file is refused."""

from dataclasses import dataclass

__all__ = ["Bounds", "NotAPicture", "TooMuch", "validate_canvas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most a picture may be; the defaults are the contract's."""

    pixels: int = 50_000_000  # of all frames together
    side: int = 16_384
    frames: int = 1_000
    scans: int = 100  # of a progressive JPEG: each costs as much as the whole picture
    profile: int = 1_048_576  # octets of a colour profile, inflated
    pieces: int = 50_000  # chunks, segments and blocks of one file


class NotAPicture(Exception):
    """The file is none of the four formats, or not a whole one."""


class TooMuch(Exception):
    """The file is a picture that is over a bound; the text says which."""


def validate_canvas(width: int, height: int, frames: int, bounds: Bounds) -> None:
    """Raise `NotAPicture` for a canvas without area, `TooMuch` for one that is over the bounds."""
    if width < 1 or height < 1 or frames < 1:
        raise NotAPicture("it has no pixels")
    if max(width, height) > bounds.side:
        raise TooMuch(f"a side has at most {bounds.side:,} pixels")
    if frames > bounds.frames:
        raise TooMuch(f"there are at most {bounds.frames:,} frames")
    if width * height * frames > bounds.pixels:
        raise TooMuch(f"there are at most {bounds.pixels:,} pixels over all frames")
