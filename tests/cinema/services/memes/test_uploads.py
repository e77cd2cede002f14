"""What may come with a picture, and what may not (T11)."""

import io
from collections.abc import Iterator

import pytest

from cinema.services.memes import app as memes_app
from cinema.settings import Settings
from tests.cinema.services.asking import Asker, started
from tests.cinema.services.memes.forms import BOUNDARY, TEXTS, parts, send
from tests.cinema.services.memes.media import PNG, MediaStand

NASTY = ("../../x", "a.jpg%00.php", 'x";name="title', "\u202egnp.exe", "a" * 4_000, "C:\\\\con", "")


def piece(disposition: str, content: bytes = b"abc") -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
GOOD = parts(**TEXTS)


def refused() -> Iterator[tuple[str, bytes, int]]:
    yield "no body", b"", 400
    yield "no end", GOOD.removesuffix(END), 400
    yield "cut in the header", GOOD[:30], 400
    yield "another boundary", GOOD.replace(BOUNDARY.encode(), b"----other"), 400
    yield "no disposition", f"--{BOUNDARY}\r\nA: b\r\n\r\nx\r\n".encode() + END, 400
    yield "no name", piece("form-data") + END, 400
    yield "a bare CR in a header", piece('form-data; name="a\rb"') + END, 400
    yield "a header that is none", f"--{BOUNDARY}\r\nnonsense\r\n\r\nx\r\n".encode() + END, 400
    yield "an encoding", piece('form-data; name="a"\r\nContent-Transfer-Encoding: base64') + END, 400
    yield "17 parts", b"".join(piece('form-data; name="a"') for _ in range(17)) + GOOD, 413
    yield "10,000 parts", b"".join(piece('form-data; name="a"') for _ in range(10_000)) + GOOD, 413
    yield "a long text", parts(title="x" * 70_000, description="abc"), 413
    yield "a long text of another name", parts(**TEXTS, other="x" * 70_000), 413
    yield "a header of 1 MB", piece(f'form-data; name="a"\r\nX: {"y" * 1_000_000}') + END, 413
    yield "no picture", parts(None, **TEXTS), 422
    yield "no title", parts(description="abc"), 422
    yield "a text that is no UTF-8", piece('form-data; name="title"', b"\xff\xfe\xfd") + GOOD, 422
    yield "a title of blanks", parts(title="     ", description="abc"), 422
    yield "a short description", parts(title="abc", description="ab"), 422
    yield "a long description", parts(title="abc", description="x" * 1_001), 422
    yield "an empty picture", parts(b"", **TEXTS), 415
    yield "no picture in it", parts(b"<svg/>", **TEXTS), 415
    yield "a bomb", parts(b"bomb", **TEXTS), 422


async def test_t11_hostile_bodies_are_refused_and_leave_nothing(memes: Asker, media: MediaStand) -> None:
    """T11 and the contract's table of faults."""
    for what, body, status in refused():
        reply = await send(memes, "/api/memes", body)

        assert (reply.status, reply.json["status"]) == (status, status), (what, reply.body)
    assert media.files == {}
    assert (await memes("/memes")).json == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("", 415),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/mixed; boundary=x", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        (f"multipart/form-data; boundary={'x' * 71}", 400),
        ('multipart/form-data; boundary="a\x01b"', 400),
    ],
)
async def test_what_is_not_multipart_is_told(memes: Asker, kind: str, status: int) -> None:
    """Contract 6: not multipart is 415, without a boundary 400."""
    reply = await memes("/memes", "POST", GOOD, {"content-type": kind} if kind else {})

    assert reply.status == status


async def test_t11_file_names_count_for_nothing(memes: Asker, media: MediaStand) -> None:
    """T11: names are the media service's."""
    for name in NASTY:
        said = name.replace("\\", "\\\\").replace('"', '\\"')
        body = piece(f'form-data; name="image"; filename="{said}"', PNG) + parts(None, **TEXTS)
        reply = await send(memes, "/memes", body)

        assert (reply.status, reply.json["title"]) == (201, TEXTS["title"]), name
    assert len(media.files) == len(NASTY)


async def test_a_multipart_body_inside_a_part_is_content(memes: Asker, media: MediaStand) -> None:
    """T11: nested multipart is a picture that is none."""
    inner = b"--inner\r\nContent-Disposition: form-data; name=title\r\n\r\nno\r\n--inner--\r\n"
    reply = await send(memes, "/memes", parts(inner, **TEXTS))

    assert reply.status == 415


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_t15_a_part_of_another_name_is_passed_over_and_its_name_repeated_nowhere(
    memes: Asker, media: MediaStand, accept: str
) -> None:
    """T15: whatever octets are in it; it once came back in the problem and on the page."""
    odd = piece('form-data; name="c4narY"', b"\xff\xfe\xfd")
    replies = [
        await send(memes, "/memes", odd + parts(**TEXTS), accept=accept),
        await send(memes, "/memes", odd + parts(title="x", description="abc"), accept=accept),
    ]

    assert [one.status for one in replies] == [303 if "html" in accept else 201, 422]
    assert not any(b"c4nary" in one.body.lower() for one in replies)


async def test_exactly_the_limit_is_allowed_and_one_octet_more_is_not(
    memes: Asker, media: MediaStand
) -> None:
    """Contract 6: 20,971,520 bytes."""
    most = PNG + bytes(20_971_520 - len(PNG))
    good = await send(memes, "/memes", parts(most, **TEXTS))
    more = await send(memes, "/memes", parts(most + b"\0", **TEXTS))
    said = await send(memes, "/memes", b"", content_length="30000000")

    assert (good.status, more.status, said.status) == (201, 413, 413)
    assert [len(one) for one in media.files.values()] == [20_971_520]


async def test_how_long_a_picture_may_be_is_the_operators(
    memes_url: str, media: MediaStand, media_url: str, log: io.BytesIO
) -> None:
    """Contract 16: `MEDIA_MAX_BYTES`, also above what stands for it."""
    most = 23 * 1024 * 1024
    settings = Settings(
        database_url=memes_url, media_url=media_url, media_token="secret", memes=0, media_max_bytes=most
    )
    async with started(memes_app.build(settings, stream=log)) as ask:
        good = await send(ask, "/memes", parts(PNG + bytes(most - len(PNG)), **TEXTS))
        more = await send(ask, "/memes", parts(PNG + bytes(most), **TEXTS))

    assert (good.status, more.status) == (201, 413)
    assert [len(one) for one in media.files.values()] == [most]
