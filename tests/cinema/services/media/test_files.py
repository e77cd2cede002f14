"""The routes of the media service, on a directory and on a real S3 server alike (contract 6, 11)."""

import asyncio
import io
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest

from cinema.services.media.app import build
from cinema.services.media.decoding import Decoding
from cinema.services.media.store import objects_of
from cinema.services.media.thumbnails import Thumbnails
from cinema.settings import Settings
from stagedoor._web.routes import RequestRefused
from tests.cinema.pictures import drawn
from tests.cinema.pictures.drawn import FORMATS, TYPES
from tests.cinema.services.asking import Asker, started
from tests.cinema.services.media.conftest import (
    AUTHORIZED,
    TOKEN,
    answering,
    form,
    get,
    names,
    of_s3,
    posted,
    upload,
)

NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(png|jpg|webp|gif)")
UNKNOWN = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff.png"


@pytest.mark.parametrize("name", FORMATS)
async def test_a_picture_comes_back_as_it_was(media: Asker, name: str) -> None:
    """Contract 6 and 11: a name made here, and every field of an image."""
    file = drawn.saved(name)

    answer = await upload(media, file)
    stored = answer.json["filename"]
    reply, head = await get(media, stored), await get(media, stored, method="HEAD")

    assert (answer.status, answer.json.keys()) == (201, {"filename"})
    assert NAME.fullmatch(stored)
    assert stored.endswith(name)
    assert (reply.status, drawn.pixels(reply.body)) == (200, drawn.pixels(file))
    assert reply.headers["content-type"] == TYPES[name]
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[^"]+"', reply.headers["etag"])
    assert (head.status, head.body) == (200, b"")
    del head.headers["x-request-id"], reply.headers["x-request-id"]
    assert head.headers == reply.headers


async def test_a_part_and_a_condition_are_answered_as_rfc_9110_says(media: Asker) -> None:
    """Contract 6: ranges, 304, 412 and 416."""
    stored = (await upload(media, drawn.saved("jpg"))).json["filename"]
    whole = await get(media, stored)
    size, etag = len(whole.body), whole.headers["etag"]

    part = await get(media, stored, range="bytes=10-19")
    last = await get(media, stored, range="bytes=-5")
    stale = await get(media, stored, range="bytes=0-1", if_range='"other"')
    same = await get(media, stored, if_none_match=f'"x", {etag}')
    beyond = await get(media, stored, range=f"bytes={size}-")
    other = await get(media, stored, if_match='"other"')

    assert (part.status, part.body) == (206, whole.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{size}"
    assert part.headers["content-length"] == "10"
    assert (last.status, last.body) == (206, whole.body[-5:])
    assert (stale.status, stale.body) == (200, whole.body)
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", etag)
    assert "content-type" not in same.headers
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert other.status == 412


async def test_a_deleted_picture_is_gone_with_its_thumbnails(media: Asker) -> None:
    """Contract 11: 204, also where there is nothing any more."""
    stored = (await upload(media, drawn.saved("png", drawn.noise(400, 200)))).json["filename"]
    before = await get(media, stored, "?width=160")

    deleted = [await media(f"/api/files/{stored}", "DELETE", headers=AUTHORIZED) for _ in range(2)]
    after = [await get(media, stored, query) for query in ("", "?width=160")]

    assert before.status == 200
    assert [(reply.status, reply.body) for reply in deleted] == [(204, b"")] * 2
    assert [(reply.status, reply.json["detail"]) for reply in after] == [(404, "File not found")] * 2
    assert await names(media) == []


@pytest.mark.parametrize(
    "name",
    [
        UNKNOWN,
        UNKNOWN.upper(),
        "x.png",
        UNKNOWN.replace(".png", ".svg"),
        UNKNOWN + ".png",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        UNKNOWN + "%00.php",
        UNKNOWN + "%231",
        "%EF%BC%8E" * 40,
    ],
)
async def test_whatever_is_no_name_of_ours_is_not_found(media: Asker, name: str) -> None:
    """Contract 6 and T11: no path leads out of the store, and nothing else is deleted either."""
    reply = await get(media, name)

    deleted = await media(f"/api/files/{name}", "DELETE", headers=AUTHORIZED)

    assert (reply.status, reply.json["type"]) == (404, "urn:problem-type:cinema:not-found")
    assert deleted.status in {204, 404}


async def test_the_list_walks_through_everything_in_order(media: Asker) -> None:
    """Contract 11: names and ages, for the sweep."""
    stored = [(await upload(media, drawn.saved("gif"))).json["filename"] for _ in range(5)]

    first = (await media("/api/files?limit=2", headers=AUTHORIZED)).json
    walked = [row["filename"] for row in first]
    while page := await names(media, f"?limit=2&after={walked[-1]}"):
        walked += page

    assert walked == sorted(stored)
    assert all(0 <= row["age"] < 60 for row in first)


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?limit=x", "?after=%00", "?after=" + "9" * 65])
async def test_a_list_beyond_its_bounds_is_refused(media: Asker, query: str) -> None:
    """T9: the parameter is named."""
    reply = await media(f"/api/files{query}", headers=AUTHORIZED)

    assert reply.status == 422
    assert reply.json["errors"][0]["loc"][0] == "query"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/files/upload"),
        ("GET", f"/api/files/download/{UNKNOWN}"),
        ("HEAD", f"/api/files/download/{UNKNOWN}"),
        ("DELETE", f"/api/files/{UNKNOWN}"),
        ("GET", "/api/files"),
        ("GET", "/api/files?limit=0"),
    ],
)
@pytest.mark.parametrize(
    "said", [None, "Bearer other", "Bearer", "Basic dGhlLXNoYXJlZC10b2tlbg==", "Bearer \xe9"]
)
async def test_without_the_token_nothing_is_answered(
    media: Asker, method: str, path: str, said: str | None
) -> None:
    """Contract 11: 401 with a challenge, before anything else is looked at."""
    fields = {} if said is None else {"authorization": said}

    reply = await media(path, method, headers=fields)

    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


async def test_where_no_token_is_set_none_is_asked_for(tmp_path: Path) -> None:
    """Contract 11: the service listens on loopback only then."""
    async with started(build(Settings(media_dir=tmp_path), stream=io.BytesIO())) as media:
        reply = await media("/api/files")

    assert (reply.status, reply.json) == (200, [])


async def test_what_every_service_has_needs_no_token(media: Asker) -> None:
    """Contract 11: about page, health and metrics."""
    about, health, metrics = await media("/"), await media("/health"), await media("/metrics")

    assert about.json["name"] == "media-service"
    assert "POST /api/files/upload" in about.json["endpoints"]
    assert (health.status, health.json) == (200, {"status": "healthy", "service": "media-service"})
    assert metrics.status == 200


@pytest.mark.parametrize("name", FORMATS)
async def test_a_thumbnail_is_made_once(media: Asker, name: str) -> None:
    """Contract 6: of the picture's own type, with a tag of its own, in parts as well."""
    stored = (await upload(media, drawn.saved(name, drawn.noise(400, 200)))).json["filename"]

    many = await asyncio.gather(*(get(media, stored, "?width=160") for _ in range(10)))
    part = await get(media, stored, "?width=160", range="bytes=0-3")
    again = await get(media, stored, "?width=160", if_none_match=many[0].headers["etag"])

    assert {(reply.status, reply.body) for reply in many} == {(200, many[0].body)}
    assert drawn.opened(many[0].body).size == (160, 80)
    assert many[0].headers["content-type"] == TYPES[name]
    assert many[0].headers["etag"] != (await get(media, stored)).headers["etag"]
    assert (part.status, part.body) == (206, many[0].body[:4])
    assert (again.status, again.body) == (304, b"")
    assert await names(media) == [stored]


async def test_t11_pictures_that_are_no_wider_take_room_too(settings: Settings) -> None:
    """T11: what is known of them is bounded, however many there are; what is dropped gives its room back."""
    objects, decoding = objects_of(settings), Decoding(60.0)
    thumbnails, file = Thumbnails(objects, decoding, 60.0, room=4_096), drawn.saved("png")
    few: list[str] = []
    try:
        for number in range(12):
            few.append(f"3d8d9bf5-0d90-4353-88ba-{number:012}.png")
            await objects.put(few[-1], memoryview(file))
            assert await thumbnails.get(few[-1], 160, len(file)) == b""
        full = repr(thumbnails)
        for name in few:
            thumbnails.drop(name)
    finally:
        await decoding.aclose()

    assert full == "<Thumbnails 8 kept, 4,096 of 4,096 octets>"
    assert repr(thumbnails) == "<Thumbnails 0 kept, 0 of 4,096 octets>"


async def test_t11_thumbnails_that_wait_hold_no_file(settings: Settings) -> None:
    """T11: however many are asked for at once, three pictures lie in files."""
    objects, decoding = objects_of(settings), Decoding(60.0)
    thumbnails, file = Thumbnails(objects, decoding, 60.0), drawn.saved("png", drawn.noise(800, 400))
    many = [f"3d8d9bf5-0d90-4353-88ba-{number:012}.png" for number in range(12)]
    for name in many:
        await objects.put(name, memoryview(file))
    before, most = unlinked(), 0
    asking = asyncio.gather(*(thumbnails.get(name, 160, len(file)) for name in many))
    try:
        while not asking.done():
            most = max(most, unlinked())
            await asyncio.sleep(0.001)
    finally:
        await decoding.aclose()

    assert [drawn.opened(one).width for one in await asking] == [160] * 12
    assert (
        2 <= most - before <= 12
    )  # a source and a target of each, and their copies on the way to the process


async def test_t11_who_waits_too_long_for_a_thumbnail_is_told_to_come_back(settings: Settings) -> None:
    """T11: 503 beyond the limit; a store that trickles keeps no place for ever."""
    objects, decoding = objects_of(settings), Decoding(60.0)
    file = drawn.saved("png", drawn.noise(800, 400))
    await objects.put(UNKNOWN, memoryview(file))
    hasty = Thumbnails(objects, decoding, 0.0)
    try:
        with pytest.raises(RequestRefused) as refused:
            await hasty.get(UNKNOWN, 160, len(file))
    finally:
        await decoding.aclose()

    assert (refused.value.problem.status, repr(hasty)) == (503, "<Thumbnails 0 kept, 0 of 33,554,432 octets>")


def unlinked() -> int:
    """Count the open files without a name."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += link.readlink().name.endswith("(deleted)")
    return found


async def test_a_picture_that_is_no_wider_is_its_own_thumbnail(media: Asker) -> None:
    """Contract 6: never enlarged."""
    stored = (await upload(media, drawn.saved("png"))).json["filename"]

    small, whole = await get(media, stored, "?width=640"), await get(media, stored)

    assert (small.status, small.body, small.headers["etag"]) == (200, whole.body, whole.headers["etag"])


@pytest.mark.parametrize("width", ["0", "161", "-160", "1e3", "", "99999999999"])
async def test_other_widths_are_refused(media: Asker, width: str) -> None:
    """Contract 6: 160, 320 and 640."""
    reply = await get(media, UNKNOWN, f"?width={width}")

    assert (reply.status, reply.json["errors"][0]["loc"]) == (422, ["query", "width"])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (form(("file", b"")), None, 415),
        (form(("file", b"not a picture")), None, 415),
        (form(("file", b"<svg/>")), None, 415),
        (form(("file", drawn.saved("png")[:-1])), None, 415),
        (form(("file", drawn.png_of(65_535, 65_535))), None, 422),
        (form(("file", drawn.frames("gif", 1_001, (2, 2)))), None, 422),
        (form(("image", drawn.saved("png"))), None, 422),
        (form(("file", drawn.saved("png")), ("file", drawn.saved("png"))), None, 422),
        (form(*[("x", b"")] * 17), None, 413),
        (form(("x", bytes(65_537)), ("file", drawn.saved("png"))), None, 413),
        (form(("file", drawn.saved("png")))[:-6], None, 400),
        (b"garbage", None, 400),
        (b"", None, 400),
        (form(("file", drawn.saved("png"))), "multipart/form-data", 400),
        (form(("file", drawn.saved("png"))), "multipart/mixed; boundary=a7c3", 415),
        (drawn.saved("png"), "image/png", 415),
        (b"{}", "application/json", 415),
        (b"", "", 415),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_t11_what_is_refused_leaves_nothing(
    media: Asker, body: bytes, kind: str | None, status: int
) -> None:
    """Contract 6: each fault its status, as a problem, and nothing in the store."""
    reply = await (posted(media, body) if kind is None else posted(media, body, kind))

    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert await names(media) == []


async def test_a_file_of_the_largest_size_is_taken_and_one_octet_more_is_not(places: dict[str, str]) -> None:
    """Contract 6: the bound itself is allowed; what follows the picture counts until it is gone."""
    file = drawn.saved("png")
    settings = Settings.model_validate({**places, "media_max_bytes": len(file)})
    async with started(build(settings, stream=io.BytesIO())) as media:
        replies = [await upload(media, file), await upload(media, file + b"x")]
        lying = await media(
            "/api/files/upload",
            "POST",
            b"",
            {"content-type": "multipart/form-data; boundary=x", "content-length": "99999999"},
        )

    assert [reply.status for reply in replies] == [201, 413]
    assert lying.status == 413


async def test_uploads_wait_for_a_place_and_for_no_longer(tmp_path: Path) -> None:
    """T11: two are decoded at once, whoever waits longer than an upload may take is refused."""
    settings = Settings(media_dir=tmp_path, gateway_upload_timeout_s=1)
    async with started(build(settings, stream=io.BytesIO())) as media:
        replies = await asyncio.gather(*(upload(media, drawn.saved("png")) for _ in range(12)))

    assert {reply.status for reply in replies} <= {201, 503}
    assert all(
        reply.json["type"].endswith("overloaded") and reply.headers["retry-after"]
        for reply in replies
        if reply.status == 503
    )


async def test_a_dead_decoder_is_replaced(media: Asker, settings: Settings) -> None:
    """A process that is gone is started again for the next picture."""
    first = await upload(media, drawn.saved("png"))
    os.kill(_decoder_of_ours(), 9)

    second = await upload(media, drawn.saved("png"))

    assert (first.status, second.status) == (201, 201)


def _decoder_of_ours() -> int:
    return next(
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and _is_decoder_of_ours(path)
    )


def _is_decoder_of_ours(path: Path) -> bool:
    try:
        words = (path / "cmdline").read_bytes().split(b"\0")
        return (
            b"cinema.pictures.worker" in words and f"PPid:\t{os.getpid()}\n" in (path / "status").read_text()
        )
    except OSError:
        return False


async def test_what_a_crash_left_half_written_is_listed_and_goes_with_its_name(tmp_path: Path) -> None:
    """Contract 6: the sweep removes half-written files, too; somebody else's files are none of ours."""
    old = tmp_path / f"{UNKNOWN}#1"
    old.write_bytes(b"half")
    os.utime(old, (time.time() - 7_200,) * 2)
    (tmp_path / "notes.txt").write_text("not ours")
    async with started(build(Settings(media_dir=tmp_path), stream=io.BytesIO())) as media:
        listed = (await media("/api/files")).json
        deleted = await media(f"/api/files/{UNKNOWN}", "DELETE")

    assert [row["filename"] for row in listed] == [UNKNOWN]
    assert listed[0]["age"] > 7_000
    assert deleted.status == 204
    left = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    assert [path.name for path in left] == ["notes.txt"]


async def test_a_store_that_is_away_is_503(
    settings: Settings, log: io.BytesIO, request: pytest.FixtureRequest
) -> None:
    """Contract 1.4: with Retry-After on every route, and the log says why."""
    if settings.media_store == "s3":
        settings = settings.model_copy(update={"media_s3_endpoint": "http://127.0.0.1:1"})
    async with started(build(settings, stream=log)) as media:
        if settings.media_store == "local":
            settings.media_dir.rmdir()
            settings.media_dir.write_text("a file in its place")
        replies = [
            await upload(media, drawn.saved("png")),
            await get(media, UNKNOWN),
            await media("/api/files", headers=AUTHORIZED),
            await media("/health"),
        ]

    outages = [reply for reply in replies if reply.status == 503]
    assert len(outages) == (4 if settings.media_store == "s3" else 3)
    assert {reply.json["detail"] for reply in outages} == {"the image store does not answer"}
    assert all(reply.headers["retry-after"] == "1" for reply in outages)
    assert b'"store_failed"' in log.getvalue()


async def test_objects_that_vanish_are_none(settings: Settings) -> None:
    """Between two looks at a picture somebody else may delete it."""
    objects = objects_of(settings)

    assert await objects.size(UNKNOWN) is None
    assert await objects.read(UNKNOWN, 0, 10) is None
    await objects.delete(UNKNOWN)


async def test_a_picture_that_is_removed_while_it_is_handed_out_comes_whole(tmp_path: Path) -> None:
    """Contract 6: a name means the same octets; it was cut off, and a backup that met that failed."""
    store, octets = objects_of(Settings(media_dir=tmp_path)), os.urandom(300_000)
    await store.put(UNKNOWN, memoryview(octets))
    stream = await store.read(UNKNOWN, 0, len(octets))
    await store.delete(UNKNOWN)

    assert stream is not None
    assert b"".join([piece async for piece in stream]) == octets
    assert await store.read(UNKNOWN, 0, len(octets)) is None


async def test_f3_half_a_picture_is_an_outage_of_the_store_and_no_thumbnail_is_kept_of_it() -> None:
    """F3: a store may answer 206 with fewer octets; of those nothing could be drawn, and that was kept."""
    file = drawn.saved("png", drawn.noise(400, 200))
    some = file[: len(file) // 2]
    answers = {"HEAD": (200, b"", len(file)), "GET": (206, some, len(some))}
    async with answering(answers) as url:
        settings = Settings.model_validate({**of_s3(url), "media_token": TOKEN})
        async with started(build(settings, stream=io.BytesIO())) as media:
            half = await get(media, UNKNOWN, "?width=160")
            answers["GET"] = (206, file, len(file))
            whole = await get(media, UNKNOWN, "?width=160")

    assert (half.status, whole.status) == (503, 200)
    assert drawn.opened(whole.body).width == 160
