"""Decode every frame of a picture, and draw it smaller. Only a child process does this.

Pillow is asked for one format by name, so that no other decoder ever sees a file; its warnings are errors.
"""

import warnings
from typing import BinaryIO

from PIL import Image, ImageFile, ImageOps

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch, validate_canvas

__all__ = ["decode", "shrink"]

_FORMATS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "webp": "WEBP"}
_OPTIONS: dict[str, dict[str, int]] = {
    "png": {},
    "jpg": {"quality": 82, "progressive": True},
    "gif": {},
    "webp": {"quality": 80},
}
_SHRINKS = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
# A PNG names its transparent colour in samples of its own depth (PNG 3, 11.3.1.1); pixels come in octets.
_IN_OCTETS = {"L;2": 85.0, "L;4": 17.0, "RGB;16B": 1 / 256}
Image.MAX_IMAGE_PIXELS = None  # the bounds are ours, and counted before


def decode(file: BinaryIO, name: str, bounds: Bounds) -> None:
    """Decode a whole picture of this format; raises `NotAPicture` and `TooMuch`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _decode(file, name, bounds)
    except (NotAPicture, TooMuch, MemoryError):
        raise
    except Exception as error:  # a decoder raises whatever it likes for a file that is none of its kind
        raise NotAPicture(f"it cannot be decoded as {name}") from error


def _decode(file: BinaryIO, name: str, bounds: Bounds) -> None:
    with Image.open(file, formats=[_FORMATS[name]]) as image:
        frames = 1
        validate_canvas(*image.size, frames, bounds)
        image.load()
        while True:
            try:
                image.seek(frames)
            except EOFError:
                return
            frames += 1
            validate_canvas(*image.size, frames, bounds)
            image.load()


def shrink(file: BinaryIO, name: str, width: int, target: BinaryIO) -> bool:
    """Draw a picture so wide, upright, in its own format; return False, and draw nothing, if it is no wider.

    Of an animation it is the first frame. The colour profile stays.
    """
    with Image.open(file, formats=[_FORMATS[name]]) as image:
        _name_in_octets(image)
        # 5 to 8 lie on their side (TIFF 6.0, Orientation).
        across = image.height if image.getexif().get(0x0112, 1) >= 5 else image.width
        if across <= width:
            return False
        image.draft(None, (2 * width * image.width // across, 2 * width * image.height // across))
        profile = image.info.get("icc_profile")
        drawn = _plain(ImageOps.exif_transpose(image))
    height = max(1, round(drawn.height * width / drawn.width))
    small = drawn.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    small.info.clear()
    small.save(target, _FORMATS[name], icc_profile=profile, **_OPTIONS[name])
    return True


def _name_in_octets(image: Image.Image) -> None:
    """Have the colour that is transparent named as its pixels will be; before they are read."""
    named = image.info.get("transparency")
    scale = (
        _IN_OCTETS.get(str(image.tile[0].args))
        if isinstance(image, ImageFile.ImageFile) and image.tile
        else None
    )
    if scale is None or named is None:
        return
    levels = [int(level * scale) for level in (named if isinstance(named, tuple) else (named,))]
    image.info["transparency"] = tuple(levels) if isinstance(named, tuple) else levels[0]


def _plain(image: Image.Image) -> Image.Image:
    """Return a picture whose colours can be averaged, and whose transparency is a channel of its own."""
    named = image.info.get("transparency")
    if image.mode.startswith("I"):
        return _plain_grey(image.convert("I"), named)
    if image.mode in _SHRINKS and named is None:
        return image
    if image.mode == "L":
        return image.convert("LA")
    return image.convert("RGBA" if named is not None or image.mode.endswith(("A", "a")) else "RGB")


def _plain_grey(image: Image.Image, named: int | None) -> Image.Image:
    """Return 16 bits of grey in 8."""
    grey = image.point(lambda level: level * (1 / 256)).convert("L")
    if named is None:
        return grey
    return Image.merge("LA", (grey, image.point([255 * (level != named) for level in range(65_536)], "L")))
