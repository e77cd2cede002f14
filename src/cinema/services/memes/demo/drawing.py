"""Draw the demo pictures: a lit stage, a creature of simple shapes, two lines of words. Nothing is loaded."""

import io
from math import cos, pi, sin
from random import Random
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from cinema.services.memes.demo.words import Saying

__all__ = ["draw"]

_WIDTH, _HEIGHT = 640, 480
Colour = tuple[int, int, int]
_PALETTES: Final[tuple[tuple[Colour, Colour, Colour, Colour], ...]] = (
    ((38, 27, 66), (214, 79, 107), (255, 196, 87), (250, 240, 220)),
    ((12, 52, 61), (61, 139, 125), (255, 173, 96), (247, 241, 227)),
    ((59, 22, 43), (178, 58, 72), (252, 185, 178), (254, 240, 225)),
    ((20, 33, 61), (69, 105, 190), (252, 163, 17), (240, 244, 252)),
    ((34, 40, 49), (86, 116, 96), (216, 196, 133), (244, 246, 238)),
    ((54, 38, 89), (126, 87, 194), (128, 222, 199), (245, 240, 255)),
)


def draw(saying: Saying, rng: Random) -> bytes:
    """Return a PNG of 640 by 480 points."""
    dark, middle, bright, pale = rng.choice(_PALETTES)
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), dark)
    pen = ImageDraw.Draw(picture)
    _backdrop(pen, rng, dark, middle)
    _spotlight(pen, rng, middle)
    _creature(pen, rng, bright, pale, dark)
    _line(pen, saying.above.upper(), 14, pale, dark)
    _line(pen, saying.below.upper(), _HEIGHT - 62, pale, dark)
    out = io.BytesIO()
    # A palette of sixty-four: a wall of these is a few hundred kilobytes.
    picture.quantize(64, dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _backdrop(pen: ImageDraw.ImageDraw, rng: Random, dark: Colour, middle: Colour) -> None:
    """Draw curtains, rays or dots."""
    kind = rng.randrange(3)
    if kind == 0:
        for place in range(0, _WIDTH, 40):
            pen.rectangle((place, 0, place + 19, _HEIGHT), _mixed(dark, middle, 0.35))
    elif kind == 1:
        for turn in range(0, 24, 2):
            ends = [_at(_WIDTH / 2, _HEIGHT * 0.55, 700, (turn + shift) * pi / 12) for shift in (0, 1)]
            pen.polygon([(_WIDTH / 2, _HEIGHT * 0.55), *ends], _mixed(dark, middle, 0.4))
    else:
        for _ in range(60):
            x, y, size = rng.randrange(_WIDTH), rng.randrange(_HEIGHT), rng.randrange(4, 22)
            pen.ellipse((x, y, x + size, y + size), _mixed(dark, middle, 0.25 + rng.random() * 0.3))


def _at(x: float, y: float, far: float, angle: float) -> tuple[float, float]:
    return x + far * cos(angle), y + far * sin(angle)


def _spotlight(pen: ImageDraw.ImageDraw, rng: Random, middle: Colour) -> None:
    x = _WIDTH / 2 + rng.randrange(-60, 61)
    pen.ellipse((x - 210, 360, x + 210, 450), _mixed(middle, (255, 255, 255), 0.25))
    pen.ellipse((x - 170, 370, x + 170, 440), _mixed(middle, (255, 255, 255), 0.45))


def _creature(pen: ImageDraw.ImageDraw, rng: Random, body: Colour, pale: Colour, dark: Colour) -> None:
    """Draw somebody: round or square, with ears, horns or an aerial, and a mood."""
    x, y = _WIDTH / 2 + rng.randrange(-40, 41), 270 + rng.randrange(-12, 13)
    wide, high = rng.randrange(90, 130), rng.randrange(90, 125)
    box = (x - wide, y - high, x + wide, y + high)
    _crown(pen, rng, x, y - high, wide, body)
    if rng.random() < 0.6:
        pen.ellipse(box, body)
    else:
        pen.rounded_rectangle(box, 34, body)
    belly = _mixed(body, pale, 0.6)
    pen.ellipse((x - wide * 0.6, y + high * 0.15, x + wide * 0.6, y + high * 0.95), belly)
    _face(pen, rng, x, y - high * 0.25, wide, dark)


def _crown(pen: ImageDraw.ImageDraw, rng: Random, x: float, top: float, wide: float, body: Colour) -> None:
    kind = rng.randrange(3)
    for side in (-1, 1):
        root = x + side * wide * 0.55
        if kind == 0:
            pen.polygon([(root - 34, top + 50), (root + side * 14, top - 48), (root + 34, top + 50)], body)
        elif kind == 1:
            pen.ellipse((root - 30, top - 34, root + 30, top + 46), body)
        else:
            pen.line((root, top + 40, root + side * 18, top - 40), body, 9)
            pen.ellipse((root + side * 18 - 13, top - 55, root + side * 18 + 13, top - 29), body)


def _face(pen: ImageDraw.ImageDraw, rng: Random, x: float, y: float, wide: float, dark: Colour) -> None:
    look = rng.randrange(-6, 7)
    size = rng.randrange(16, 27)
    for side in (-1, 1):
        eye = x + side * wide * 0.38
        pen.ellipse((eye - size, y - size, eye + size, y + size), (255, 255, 255))
        pen.ellipse((eye - 8 + look, y - 8, eye + 8 + look, y + 8), dark)
        tilt = rng.choice((-9, 0, 9)) * side
        pen.line((eye - size, y - size - 10 + tilt, eye + size, y - size - 10 - tilt), dark, 6)
    mouth = (x - 34, y + 26, x + 34, y + 66)
    mood = rng.randrange(3)
    if mood == 0:
        pen.arc(mouth, 15, 165, dark, 7)
    elif mood == 1:
        pen.arc((x - 34, y + 44, x + 34, y + 84), 195, 345, dark, 7)
    else:
        pen.ellipse((x - 15, y + 34, x + 15, y + 66), dark)


def _line(pen: ImageDraw.ImageDraw, words: str, top: int, pale: Colour, dark: Colour) -> None:
    font = ImageFont.load_default(44)
    left, _, right, _ = pen.textbbox((0, 0), words, font=font, stroke_width=3)
    wide = right - left
    if wide > _WIDTH - 30:
        font = ImageFont.load_default(44 * (_WIDTH - 30) / wide)
        wide = _WIDTH - 30
    pen.text(((_WIDTH - wide) / 2, top), words, font=font, fill=pale, stroke_width=3, stroke_fill=dark)
