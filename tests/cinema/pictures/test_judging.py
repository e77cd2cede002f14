"""What is a picture, and what of its file is kept (contract 6, T11)."""

import io
import re
import struct
import tempfile
import zlib

import pytest
from PIL import Image

from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch
from cinema.pictures.exif import minimal, orientation_of
from cinema.pictures.worker import judge, most_written, thumbnail
from tests.cinema.pictures import drawn
from tests.cinema.pictures.drawn import FORMATS, SECRET

METADATA = {
    "png": drawn.with_chunks(
        drawn.saved("png", exif=drawn.exif(6), icc_profile=drawn.profile(), dpi=(72, 72)),
        drawn.chunk(b"tEXt", b"Comment\0" + SECRET),
        drawn.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(SECRET)),
        drawn.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET),
        drawn.chunk(b"tIME", bytes(7)),
    )
    + b"PK\x03\x04"
    + SECRET,
    "jpg": drawn.with_segments(
        drawn.saved("jpg", exif=drawn.exif(6), icc_profile=drawn.profile(), comment=SECRET),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET),
        (0xED, b"Photoshop 3.0\0" + SECRET),
    )
    + b"<script>"
    + SECRET,
    "webp": drawn.saved("webp", exif=drawn.exif(6), icc_profile=drawn.profile(), xmp=SECRET) + SECRET,
    "gif": drawn.saved("gif", comment=SECRET) + b"#!/bin/sh " + SECRET,
}


def judged(file: bytes, **bounds: int) -> tuple[str, bytes]:
    """Return the format, and what is kept."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(file)
        source.flush()
        name = judge(source.fileno(), target.fileno(), Bounds(**bounds))
        target.seek(0)
        return name, target.read()


@pytest.mark.parametrize("name", FORMATS)
def test_t11_what_is_kept_is_the_picture_alone(name: str) -> None:
    """Contract 6: metadata and what follows the picture are gone, and no pixel has changed."""
    file = METADATA[name]

    format_, kept = judged(file)

    assert format_ == name
    assert drawn.pixels(kept) == drawn.pixels(file)
    assert SECRET not in kept
    assert b"Phones" not in kept
    assert len(kept) < len(file)


@pytest.mark.parametrize("name", ["png", "jpg", "webp"])
def test_orientation_and_colour_profile_stay(name: str) -> None:
    """Contract 6: a phone's picture stands upright, and its colours mean what they meant."""
    image = drawn.opened(judged(METADATA[name])[1])

    assert dict(image.getexif()) == {0x0112: 6}
    assert image.info["icc_profile"] == drawn.profile()


@pytest.mark.parametrize("name", FORMATS)
def test_judging_again_changes_nothing(name: str) -> None:
    """What is stored is what would be stored."""
    once = judged(METADATA[name])[1]

    assert judged(once)[1] == once


@pytest.mark.parametrize("name", ["png", "webp", "gif"])
def test_an_animation_keeps_its_frames(name: str) -> None:
    """Each of them is decoded, and stays."""
    file = drawn.frames(name, 12)

    _, kept = judged(file)

    assert drawn.pixels(kept) == drawn.pixels(file)
    assert len(drawn.pixels(kept)) == 12


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_t11_a_truncated_file_is_no_picture(name: str, part: float) -> None:
    """Contract 6: also where only its last octet is missing."""
    file = drawn.saved(name)

    with pytest.raises(NotAPicture):
        judged(file[: min(int(len(file) * part), len(file) - 1)])


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {}),
        ("L", {}),
        ("CMYK", {}),
        ("RGB", {"subsampling": 0}),
        ("RGB", {"restart_marker_blocks": 3}),
    ],
)
def test_a_jpeg_that_is_cut_and_ended_properly_is_no_picture(mode: str, options: dict[str, int]) -> None:
    """Contract 6: truncated; a decoder that meets the end draws the rest grey, and says nothing."""
    picture = drawn.noise(90, 70).convert(mode)
    file = drawn.saved("jpg", picture, **options)
    start = file.index(b"\xff\xda") + 2
    start += int.from_bytes(file[start : start + 2])
    body = file[start:-2]

    assert judged(file)[1] == file
    for tenth in range(10):
        with pytest.raises(NotAPicture):
            judged(file[:start] + body[: len(body) * tenth // 10] + b"\xff\xd9")


def test_a_jpeg_in_several_scans_brings_every_colour() -> None:
    """Contract 6: one whose scans bring less than the frame has is not all of a picture."""
    whole = drawn.saved("jpg", drawn.noise(90, 70), progressive=True)
    scans = [found.start() for found in re.finditer(b"\xff\xda", whole)]
    lonely = whole[: scans[0]] + b"\xff\xda\0\x08\x01\x01\0\0\0\x01" + bytes(200) + b"\xff\xd9"

    assert judged(whole)[1] == whole
    with pytest.raises(NotAPicture, match="not all of it"):
        judged(lonely)


def test_pieces_of_a_picture_in_the_right_frame_are_no_picture() -> None:
    """Decoded, not believed: the structure is whole, the pixels are not."""
    lossless, indexed = drawn.saved("webp", lossless=True), drawn.saved("gif")
    data = indexed.index(b",") + 11

    for file in (
        drawn.png_of(20, 20, rows=bytes(21 * 10)),
        drawn.riff((b"VP8L", lossless[20:60])),
        indexed[:data] + b"\x20" + indexed[data + 1 : data + 33] + b"\0;",
    ):
        with pytest.raises(NotAPicture):
            judged(file)


def animated(*more: bytes, rows: bytes = b"\0\0", promised: int = 2) -> bytes:
    """Return an APNG of 1 x 1: its first frame, the head of the second, and what comes then."""
    control = [drawn.chunk(b"fcTL", struct.pack(">5I2H2B", n, 1, 1, 0, 0, 1, 1, 0, 0)) for n in range(2)]
    file = drawn.png_of(1, 1, drawn.chunk(b"acTL", struct.pack(">II", promised, 0)), control[0], rows=rows)
    return b"".join((file[:-12], control[1], *more, file[-12:]))


def frame_rows(octets: bytes, number: int = 2) -> bytes:
    """Return rows of the second frame."""
    return drawn.chunk(b"fdAT", struct.pack(">I", number) + octets)


def test_every_frame_of_an_apng_is_whole() -> None:
    """T11: decided by all of it; a decoder shows what has not come of a frame as black, and inflates no more."""
    rows = zlib.compress(b"\0\0")

    assert judged(animated(frame_rows(rows)))[0] == "png"
    assert judged(animated(*[frame_rows(rows[at : at + 1], at + 2) for at in range(len(rows))]))[0] == "png"
    for more in ([], [frame_rows(rows[:-1])], [frame_rows(zlib.compress(b""))], [frame_rows(b"")]):
        with pytest.raises(NotAPicture, match="rows are missing"):
            judged(animated(*more))
    with pytest.raises(TooMuch, match="inflates"):
        judged(animated(frame_rows(zlib.compress(bytes(1 << 20)))))


@pytest.mark.parametrize(
    "more",
    [
        [drawn.chunk(b"fdAT", b"\0\0\0")],
        [drawn.chunk(b"fcTL", b"\0\0\0\x02")],
        [drawn.chunk(b"acTL", struct.pack(">II", 2, 0) + SECRET)],
        [drawn.chunk(b"fcTL", struct.pack(">5I2H2B", 2, 2, 1, 0, 0, 1, 1, 0, 0))],
        [drawn.chunk(b"fcTL", struct.pack(">5I2H2B", 2, 1, 0, 0, 0, 1, 1, 0, 0))],
    ],
)
def test_frames_that_cannot_be_are_no_picture(more: list[bytes]) -> None:
    """T11: larger than the picture, without area, or without a place."""
    with pytest.raises(NotAPicture):
        judged(animated(frame_rows(zlib.compress(b"\0\0")), *more))


def test_rows_before_any_frame_are_no_picture() -> None:
    """T11: a decoder would pass them over, so nobody would have judged them."""
    rows = frame_rows(zlib.compress(b"\0\0"))
    claimed = drawn.chunk(b"acTL", struct.pack(">II", 1, 0))

    with pytest.raises(NotAPicture, match="no frame"):
        judged(drawn.png_of(1, 1, claimed, rows, rows=b"\0\0"))


def test_an_animation_that_nobody_plays_is_not_kept() -> None:
    """Contract 6: frames without acTL before the picture are shown nowhere: they are not the picture."""
    rows = frame_rows(SECRET)
    plain = drawn.png_of(1, 1, rows=b"\0\0")
    late = drawn.chunk(b"acTL", struct.pack(">II", 1, 0))

    assert judged(drawn.with_chunks(plain, rows))[1] == plain
    assert judged(plain[:-12] + late + rows + plain[-12:])[1] == plain


def test_nothing_rides_in_a_png_beside_its_picture() -> None:
    """Contract 6: neither behind what is deflated, nor in a chunk of colours that has another size, or comes again."""
    hidden = zlib.compress(b"\0\0") + SECRET
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    gamma = drawn.chunk(b"gAMA", struct.pack(">I", 45_455))
    profile = drawn.chunk(b"iCCP", b"x\0\0" + zlib.compress(drawn.profile()) + SECRET)
    others = [drawn.chunk(kind, SECRET) for kind in (b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"cICP", b"tRNS")]
    again = drawn.chunk(b"gAMA", SECRET[:4])
    chunks = [drawn.chunk(b"IHDR", header), gamma, profile, again, *others[:5]]
    data = [drawn.chunk(b"IDAT", hidden), drawn.chunk(b"IDAT", SECRET), drawn.chunk(b"IEND", SECRET)]

    _, kept = judged(b"".join((b"\x89PNG\r\n\x1a\n", *chunks, *data)))

    assert SECRET[:4] not in kept
    assert gamma in kept
    assert Image.open(io.BytesIO(kept)).info["icc_profile"] == drawn.profile()
    assert SECRET not in judged(animated(frame_rows(hidden)))[1]


def test_nothing_rides_in_a_gif_beside_its_picture() -> None:
    """Contract 6: extensions that say how it moves say nothing else."""
    others = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    file = drawn.saved("gif", Image.new("RGB", (8, 8)), save_all=True, append_images=others, loop=3)
    ride = bytes([len(SECRET)]) + SECRET + b"\0"
    times, control = file.index(b"\x03\x01"), file.index(b"!\xf9\x04")
    more = b"!\xff\x0bNETSCAPE2.0" + ride
    laden = b"".join(
        (file[: times + 4], ride, more, file[times + 5 : control + 7], ride, file[control + 8 :])
    )

    assert judged(laden)[1] == judged(file)[1] == file


def test_nothing_rides_in_a_webp_beside_its_picture() -> None:
    """Contract 6: ANIM has six octets."""
    file = drawn.frames("webp", 3)
    at = file.index(b"ANIM")
    laden = file[8 : at + 4] + struct.pack("<I", 6 + len(SECRET) + 1) + file[at + 8 : at + 14] + SECRET + b"."
    laden += file[at + 14 :]

    assert judged(b"RIFF" + struct.pack("<I", len(laden)) + laden)[1] == judged(file)[1]


@pytest.mark.parametrize(
    ("header", "more"),
    [
        ((3, 0, 0, 0, 0), b""),
        ((16, 3, 0, 0, 0), drawn.chunk(b"PLTE", bytes(3))),
        ((8, 1, 0, 0, 0), b""),
        ((8, 0, 1, 0, 0), b""),
        ((8, 0, 0, 1, 0), b""),
        ((8, 0, 0, 0, 2), b""),
        ((8, 3, 0, 0, 0), b""),
        ((8, 3, 0, 0, 0), drawn.chunk(b"PLTE", b"")),
        ((8, 3, 0, 0, 0), drawn.chunk(b"PLTE", bytes(4))),
        ((8, 3, 0, 0, 0), drawn.chunk(b"PLTE", bytes(771))),
        ((8, 3, 0, 0, 0), drawn.chunk(b"PLTE", bytes(3)) * 2),
    ],
)
def test_what_no_browser_shows_is_no_picture(header: tuple[int, ...], more: bytes) -> None:
    """Contract 6: decoded; Pillow overlooks what makes others refuse a PNG, which would hang on the wall broken."""
    said = drawn.chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, *header))
    rows = drawn.chunk(b"IDAT", zlib.compress(bytes(8)))

    with pytest.raises(NotAPicture):
        judged(b"".join((b"\x89PNG\r\n\x1a\n", said, more, rows, drawn.chunk(b"IEND", b""))))


def test_t11_rows_without_end_are_too_much() -> None:
    """T12: one row, and a gigabyte behind it that a decoder would not look at."""
    with pytest.raises(TooMuch, match="inflates"):
        judged(drawn.png_of(1, 1, rows=bytes(1 << 24)))


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\0",
        b"GIF8",
        b"GIF88a" + bytes(20),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x01",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x04\0\0\0WAVE",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"BM" + bytes(60),
        b"II*\0" + bytes(60),
        b"\0\0\x01\0\x01\0" + bytes(60),
        b"icns" + bytes(60),
        b"PK\x03\x04" + drawn.saved("png"),
        b" " + drawn.saved("gif"),
    ],
    ids=repr,
)
def test_t11_other_files_are_no_pictures(file: bytes) -> None:
    """Formats are allowed by decoder: whatever else Pillow could open is never shown to it."""
    with pytest.raises(NotAPicture):
        judged(file)


@pytest.mark.parametrize("name", ["TIFF", "BMP", "ICO", "PPM", "TGA", "PCX", "PDF", "JPEG2000"])
def test_other_formats_that_pillow_writes_are_no_pictures(name: str) -> None:
    """Contract 6: PNG, JPEG, WebP and GIF."""
    file = io.BytesIO()
    drawn.noise().save(file, name)

    with pytest.raises(NotAPicture):
        judged(file.getvalue())


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (drawn.png_of(65_535, 65_535), "a side"),
        (drawn.png_of(16_385, 1), "a side"),
        (drawn.png_of(7_100, 7_100), "50,000,000 pixels"),
        (drawn.frames("gif", 1_001, (2, 2)), "1,000 frames"),
        (drawn.riff((b"VP8X", b"\x02\0\0\0" + b"\xff" * 6)), "a side"),
        (drawn.saved("gif")[:6] + b"\xff\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\0;", "a side"),
        (
            drawn.with_segments(drawn.saved("jpg"), *[(0xE2, b"ICC_PROFILE\0\x01\x14" + bytes(60_000))] * 20),
            "colour profile",
        ),
        (
            drawn.png_of(
                1, 1, drawn.chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2_000_000))), rows=b"\0\0"
            ),
            "colour profile",
        ),
        (drawn.png_of(1, 1, *[drawn.chunk(b"tEXt", b"")] * 50_001, rows=b"\0\0"), "too many pieces"),
        (
            drawn.riff(
                (b"VP8X", b"\x20" + bytes(9)), (b"ICCP", b""), (b"ICCP", b""), (b"VP8L", b"\x2f\0\0\0\0")
            ),
            "colour profile",
        ),
        (b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02" + b"\x01\x44" * 1_000_001 + b"\0;", "blocks"),
        (
            drawn.saved("gif")[:-1] + b"!\xff\x0bICCRGBG1012" + (b"\xff" + bytes(255)) * 4_200 + b"\0;",
            "colour profile",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_t11_what_is_over_a_bound_is_too_much(file: bytes, said: str) -> None:
    """Contract 6: pixel and frame bombs are told from garbage, before they are decoded."""
    with pytest.raises(TooMuch, match=said):
        judged(file)


def test_t11_a_jpeg_of_many_scans_is_too_much() -> None:
    """Each scan costs as much as the whole picture."""
    file = drawn.saved("jpg", progressive=True)
    scan = file[file.rindex(b"\xff\xda") : -2]

    with pytest.raises(TooMuch, match="scans"):
        judged(file[:-2] + scan * 10_000 + file[-2:])


def test_t11_fill_octets_are_passed_over_at_once() -> None:
    """B.1.1.2 allows any number of them; nineteen millions must not take the time of a decode."""
    file = drawn.saved("jpg")

    assert judged(file[:2] + b"\xff" * 19_000_000 + file[2:])[1] == judged(file)[1]


def test_frames_count_with_their_pixels() -> None:
    """Contract 6: over all frames."""
    file = drawn.frames("gif", 5, (100, 100))

    assert judged(file, pixels=50_000)[0] == "gif"
    for name in ("gif", "png", "webp"):
        with pytest.raises(TooMuch, match="pixels"):
            judged(drawn.frames(name, 5, (100, 100)), pixels=49_999)


def test_a_picture_at_every_bound_is_taken() -> None:
    """The bounds themselves are allowed."""
    wide = drawn.saved("png", Image.new("1", (16_384, 1)))

    assert judged(wide, pixels=16_384)[0] == "png"
    assert judged(drawn.frames("gif", 1_000, (2, 2)))[0] == "gif"


@pytest.mark.parametrize(
    "file",
    [
        drawn.png_of(0, 10),
        drawn.png_of(1, 1, drawn.chunk(b"IHDR", bytes(13))),
        drawn.png_of(1, 1, drawn.chunk(b"NEWS", b"")),
        drawn.png_of(1, 1, drawn.chunk(b"iCCP", b"no name"), rows=b"\0\0"),
        drawn.png_of(1, 1, drawn.chunk(b"iCCP", b"x\0\0junk"), rows=b"\0\0"),
        drawn.png_of(1, 1, drawn.chunk(b"acTL", struct.pack(">II", 100_000, 0)), rows=b"\0\0"),
        drawn.png_of(1, 1, drawn.chunk(b"tEXt", b"x")[:-1] + b"\xff", rows=b"\0\0"),
        b"\x89PNG\r\n\x1a\n" + drawn.chunk(b"IDAT", b"") + drawn.chunk(b"IEND", b""),
        drawn.saved("png")[:33] + drawn.chunk(b"IEND", b""),
        drawn.with_segments(drawn.saved("jpg"), (0xC3, bytes(20))),
        drawn.with_segments(drawn.saved("jpg"), (0xC0, b"\x08\0\x10\0\x10\x01\0\0\0")),
        drawn.with_segments(drawn.saved("jpg"), (0xC0, b"\x0c\0\x10\0\x10\x01\0\0\0")),
        drawn.with_segments(drawn.saved("jpg"), (0xDA, b"")),
        drawn.with_segments(drawn.saved("jpg"), (0xDC, b"\0\x10")),
        b"\xff\xd8\xff\xe0\0\x10junk",
        b"\xff\xd8" + b"\xff\xfe\0\x02" + b"\xff\xd9",
        b"\xff\xd8\xff\xfe\0\x02junk",
        drawn.saved("gif")[:13] + b"x",
        drawn.saved("gif")[:13] + b";",
        b"GIF89a\x10\0\x10\0\0\0\0,\0\0\0\0\0\0\0\0\0\x02\0;",
        b"GIF89a\x10\0\x10\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x0c\0;",
        drawn.riff((b"JUNK", b"")),
        drawn.riff((b"VP8X", bytes(4))),
        drawn.riff((b"VP8X", bytes(10))),
        drawn.riff((b"VP8X", bytes(10)), (b"VP8L", b"\x2f\0\0\0\0"), (b"VP8L", b"\x2f\0\0\0\0")),
    ],
    ids=lambda value: f"{value[:4]!r} {len(value)}",
)
def test_t11_structures_that_cannot_be_are_no_pictures(file: bytes) -> None:
    """A structure that contradicts itself is refused, not interpreted."""
    with pytest.raises(NotAPicture):
        judged(file)


def test_a_still_picture_before_an_animation_is_one_frame_more() -> None:
    """It is decoded, too (APNG)."""
    file = drawn.saved(
        "png",
        Image.new("RGB", (10, 10)),
        save_all=True,
        default_image=True,
        append_images=[Image.new("RGB", (10, 10), color) for color in ("red", "blue")],
    )

    assert judged(file, pixels=300)[0] == "png"
    with pytest.raises(TooMuch):
        judged(file, pixels=299)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 8, 9])
def test_orientation_is_read_in_both_orders(order: str, orientation: int) -> None:
    """TIFF 6.0: what is none is upright."""
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = mark + struct.pack(f"{order}HIH", 42, 8, 2) + struct.pack(f"{order}HHII", 1, 3, 1, 9) + entry

    assert orientation_of(tiff) == (orientation if orientation in {3, 8} else 1)


@pytest.mark.parametrize(
    "tiff", [b"", b"II", b"XX*\0\x08\0\0\0", b"II+\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff"]
)
def test_exif_that_cannot_be_read_is_upright(tiff: bytes) -> None:
    """A picture is not refused for what is said about it."""
    assert orientation_of(tiff) == 1


def test_what_is_written_of_exif_is_the_orientation() -> None:
    """26 octets, and no room for a place on earth."""
    assert [orientation_of(minimal(number)) for number in range(1, 9)] == [*range(1, 9)]
    assert len(minimal(6)) == 26


def shrunk(file: bytes, name: str, width: int) -> bytes | None:
    """Return a thumbnail, None if the picture is no wider."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(file)
        source.flush()
        if not thumbnail(source.fileno(), target.fileno(), name, width):
            return None
        target.seek(0)
        return target.read()


@pytest.mark.parametrize("name", FORMATS)
def test_a_thumbnail_is_so_wide_and_of_its_format(name: str) -> None:
    """Contract 6: `?width=`; the proportions stay."""
    small = drawn.opened(shrunk(drawn.saved(name, drawn.noise(400, 200)), name, 160) or b"")

    assert (small.format, small.size) == (FORMATS[name], (160, 80))


@pytest.mark.parametrize("name", ["png", "jpg", "webp"])
def test_a_thumbnail_stands_upright_with_its_colours(name: str) -> None:
    """Contract 6: what lay on its side is turned, once and for all."""
    file = judged(drawn.saved(name, drawn.noise(400, 200), exif=drawn.exif(6), icc_profile=drawn.profile()))[
        1
    ]

    small = drawn.opened(shrunk(file, name, 160) or b"")

    assert small.size == (160, 320)
    assert small.getexif().get(0x0112, 1) == 1
    assert small.info["icc_profile"] == drawn.profile()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_colour_can_be_drawn_smaller(mode: str) -> None:
    """What was taken is shown."""
    name = "jpg" if mode == "CMYK" else "png"
    source = Image.new("I;16", (400, 200), 40_000) if mode == "I;16" else drawn.noise(400, 200).convert(mode)

    small = drawn.opened(shrunk(drawn.saved(name, source), name, 160) or b"")

    assert small.size == (160, 80)
    if mode == "I;16":
        assert small.getpixel((5, 5)) == 156


@pytest.mark.parametrize(
    ("depth", "colours", "sample"),
    [(1, 0, 0), (2, 0, 1), (4, 0, 3), (8, 0, 10), (16, 0, 1_000), (8, 2, 200), (16, 2, 40_000)],
)
def test_a_colour_that_is_transparent_is_so_in_the_thumbnail(depth: int, colours: int, sample: int) -> None:
    """Contract 6: a PNG without an alpha channel names one colour (PNG 3, 11.3.1.1), in samples of its own depth."""
    samples = 3 if colours else 1
    row = int("".join(f"{sample:0{depth}b}" * samples for _ in range(400)), 2).to_bytes(50 * depth * samples)
    header = struct.pack(">IIBBBBB", 400, 200, depth, colours, 0, 0, 0)
    named = drawn.chunk(b"tRNS", struct.pack(">H", sample) * samples)
    body = drawn.chunk(b"IDAT", zlib.compress((b"\0" + row) * 200))
    file = b"".join(
        (b"\x89PNG\r\n\x1a\n", drawn.chunk(b"IHDR", header), named, body, drawn.chunk(b"IEND", b""))
    )

    small = drawn.opened(shrunk(judged(file)[1], "png", 160) or b"").convert("RGBA")

    assert small.getchannel("A").getextrema() == (0, 0)


def test_a_thumbnail_is_never_enlarged() -> None:
    """Contract 6: what is no wider is served as it is, also where it lies on its side."""
    assert shrunk(drawn.saved("png", drawn.noise(160, 400)), "png", 160) is None
    assert shrunk(drawn.saved("jpg", drawn.noise(400, 160), exif=drawn.exif(6)), "jpg", 160) is None
    assert shrunk(drawn.saved("png", drawn.noise(16_000, 1)), "png", 160) is not None


def test_a_picture_may_be_as_long_as_an_operator_allows() -> None:
    """Contract 16, MEDIA_MAX_BYTES: at 64 MiB the kernel ended who wrote the bare picture, and it was 422."""
    assert [most_written(read) for read in (0, 64 << 20, 70_012_779)] == [64 << 20, 64 << 20, 70_012_779]
