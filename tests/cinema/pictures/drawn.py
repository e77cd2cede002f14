"""Pictures for tests, drawn here, and what stands in them beside the picture."""

import io
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

SECRET = b"somebody lives at 52.5200 N"
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "gif": "GIF"}
TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def noise(width: int = 40, height: int = 20) -> Image.Image:
    """Draw something that no two places of are alike."""
    picture = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (picture, picture.transpose(Image.Transpose.ROTATE_180), picture))


def saved(name: str, picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a file of this format."""
    file = io.BytesIO()
    (picture or noise()).save(file, FORMATS[name], **options)
    return file.getvalue()


@cache
def profile() -> bytes:
    """Return a colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation: int = 1) -> bytes:
    """Return Exif as a phone writes it: where it was, with what, and how it was held."""
    written = Image.Exif()
    written[0x0112] = orientation
    written[0x010F] = "Phones and Sons"
    gps = ImageFileDirectory_v2()
    gps[1], gps[2] = "N", (52.0, 31.0, 12.0)
    written[0x8825] = dict(gps)
    written[0x9286] = SECRET.decode()
    return written.tobytes()


def frames(name: str, count: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """Return an animation whose frames all differ."""
    pictures = [Image.new("RGB", size, (number % 256, number // 256, 99)) for number in range(count)]
    options = {"duration": 20} if name != "webp" else {"duration": 20, "lossless": True}
    return saved(name, pictures[0], save_all=True, append_images=pictures[1:], **options)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *more: bytes, rows: bytes | None = None) -> bytes:
    """Return a PNG file that says it is so large, whatever stands in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1_000) if rows is None else rows))
    return b"".join((b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *more, body, chunk(b"IEND", b"")))


def with_chunks(png: bytes, *more: bytes) -> bytes:
    """Return a PNG file with further chunks behind its header."""
    return b"".join((png[:33], *more, png[33:]))


def with_segments(jpeg: bytes, *more: tuple[int, bytes]) -> bytes:
    """Return a JPEG file with further segments at its beginning."""
    segments = [bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body for marker, body in more]
    return b"".join((jpeg[:2], *segments, jpeg[2:]))


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP file of these chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pixels(file: bytes) -> Sequence[bytes]:
    """Return the pixels of every frame."""
    with Image.open(io.BytesIO(file)) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(image.convert("RGBA").tobytes())
    return found


def opened(file: bytes) -> Image.Image:
    """Return a picture."""
    return Image.open(io.BytesIO(file))
