"""Entity tags of what services stream: one a coding, and the service is asked by its own."""

import pytest
from backports import zstd

from stagedoor._requests import Headers
from tests.stagedoor.face.texts import ACCEPTED, LONG, TAGGED, TEXT, Texts, ask, reading

TARGETS = ["/texts/a", "/handed/a", "/kept/a"]


@pytest.mark.parametrize("target", TARGETS)
async def test_a_tag_of_a_service_becomes_one_for_each_coding(target: str) -> None:
    """RFC 9110 8.8.3.3: and who has it in the coding that is selected is told so, with the same fields."""
    texts = Texts(TAGGED)
    async with reading(texts) as door:
        told = {coding: (await ask(door, target, coding))["etag"] for coding in ACCEPTED}
        back = {
            coding: await ask(door, target, coding, f"If-None-Match: {(tag or b'').decode()}")
            for coding, tag in told.items()
        }

    assert len(set(told.values())) == 4
    assert told[""] == b'"v1"'
    assert {coding: one.status for coding, one in back.items()} == dict.fromkeys(ACCEPTED, 304)
    assert {coding: one["etag"] for coding, one in back.items()} == told
    assert {one["vary"] for one in back.values()} == {b"Accept-Encoding"}
    assert {one["content-encoding"] for one in back.values()} == {None}
    assert {dict(one.headers).get(b"if-none-match", b'"v1"') for one in texts.asked} == {b'"v1"'}


@pytest.mark.parametrize("target", TARGETS)
async def test_who_has_another_form_gets_this_one(target: str) -> None:
    """RFC 9110 13.1.2: the tag of another coding is that of other octets."""
    async with reading(Texts(TAGGED)) as door:
        tag = ((await ask(door, target, "br"))["etag"] or b"").decode()
        got = [await ask(door, target, coding, f"If-None-Match: {tag}") for coding in ("gzip", "")]

    assert [(one.status, one.coded.plain) for one in got] == [(200, LONG), (200, LONG)]


@pytest.mark.parametrize("target", ["/texts/a", "/texts/a/words"])
@pytest.mark.parametrize("field", ["If-Match", "If-None-Match"])
async def test_a_writer_names_what_it_has_read_in_any_coding(target: str, field: str) -> None:
    """Through a passage or a handler, the service hears its own tag, whatever coding is wanted now."""
    texts = Texts(TAGGED)
    async with reading(texts) as door:
        tag = ((await ask(door, "/texts/a", "zstd"))["etag"] or b"").decode()
        await ask(door, target, "gzip", f"{field}: {tag}", "Content-Length: 0", method="PUT")

    assert dict(texts.asked[-1].headers)[field.lower().encode()] == b'"v1"'


@pytest.mark.parametrize("target", ["/texts/a", "/handed/a"])
@pytest.mark.parametrize(("tag", "ranged"), [(b'"v1~gzip"', False), (b'"v1"', True)])
async def test_a_part_is_never_joined_to_a_coded_form(target: str, tag: bytes, ranged: bool) -> None:
    """RFC 9110 13.1.5: the service is not asked for a range of what its client does not have."""
    texts = Texts(TAGGED)
    async with reading(texts) as door:
        await ask(door, target, "gzip", "Range: bytes=5-", f"If-Range: {tag.decode()}")

    asked = dict(texts.asked[0].headers)
    assert (b"range" in asked, asked.get(b"if-range")) == (ranged, tag if ranged else None)


async def test_a_part_leaves_as_it_is() -> None:
    """RFC 9110 15.3.7: with the tag of the whole as it is, and what the whole depends on; nothing of small ones."""
    fields = (*TEXT, (b"content-range", b"bytes 0-9/5000"), (b"content-length", b"10"), (b"etag", b'"v1"'))
    small = (*TEXT, (b"content-range", b"bytes 0-9/500"), (b"content-length", b"10"), (b"etag", b'"v1"'))
    for said, vary in ((fields, b"Accept-Encoding"), (small, None)):
        async with reading(Texts(said, b"0123456789", status=206)) as door:
            got = await ask(door, "/texts/a", "gzip", "Range: bytes=0-9")

        assert (got.status, got.octets, got["etag"], got["content-length"]) == (
            206,
            b"0123456789",
            b'"v1"',
            b"10",
        )
        assert (got["vary"], got["content-encoding"]) == (vary, None)


async def test_a_range_of_what_is_kept_is_one_of_it_as_it_is() -> None:
    """HC11: conditions are judged by the form that leaves; that of a part has the service's own tag."""
    async with reading(Texts(TAGGED)) as door:
        coded = ((await ask(door, "/kept/a", "gzip"))["etag"] or b"").decode()
        asked = {
            "part": ("Range: bytes=0-9",),
            "ours": ("Range: bytes=0-9", 'If-Range: "v1"'),
            "unlike": ("Range: bytes=0-9", f"If-Range: {coded}"),
            "same": (f"If-Match: {coded}",),
            "other": ('If-Match: "v1"',),
        }
        got = {name: await ask(door, "/kept/a", "gzip", *lines) for name, lines in asked.items()}

    assert {name: one.status for name, one in got.items()} == {
        "part": 206,
        "ours": 206,
        "unlike": 200,
        "same": 200,
        "other": 412,
    }
    assert got["part"].octets == LONG[:10]
    assert (got["part"]["etag"], got["part"]["vary"]) == (b'"v1"', b"Accept-Encoding")
    assert got["unlike"].coded == (LONG, True)


async def test_a_tag_that_looks_like_ours_is_the_services_own() -> None:
    """Behind such a gateway, or Apache (`-gzip`): it hears what it said, and ours is told apart."""
    own: Headers = (*TEXT, (b"content-encoding", b"zstd"), (b"etag", b'"v1~zstd"'))
    texts = Texts(own, zstd.compress(LONG))
    async with reading(texts) as door:
        got = await ask(door, "/texts/a", "zstd")
        tag = (got["etag"] or b"").decode()
        back = await ask(door, "/texts/a", "zstd", f"If-None-Match: {tag}")

    assert tag not in {'"v1~zstd"', '"v1"'}
    assert dict(texts.asked[-1].headers)[b"if-none-match"] == b'"v1~zstd"'
    assert (back.status, back["etag"]) == (304, tag.encode())


async def test_apaches_tags_pass_both_ways() -> None:
    """`DeflateAlterETag`: an end of somebody else's is no end of ours."""
    texts = Texts((*TEXT, (b"content-encoding", b"gzip"), (b"etag", b'"v1-gzip"')))
    async with reading(texts) as door:
        got = await ask(door, "/texts/a", "gzip")
        await ask(door, "/texts/a", "gzip", 'If-None-Match: "v1-gzip"')

    assert got["etag"] == b'"v1-gzip"'
    assert dict(texts.asked[-1].headers)[b"if-none-match"] == b'"v1-gzip"'


async def test_weak_tags_are_those_of_every_coding() -> None:
    """RFC 9110 8.8.3.3; what is no tag names no coded form."""
    for said, told in ((b'W/"v1"', b'W/"v1"'), (b"v1", None)):
        texts = Texts((*TEXT, (b"etag", said)))
        async with reading(texts) as door:
            got = await ask(door, "/texts/a", "gzip")
            back = await ask(door, "/texts/a", "gzip", f"If-None-Match: {said.decode()}")

        assert (got["content-encoding"], got["etag"]) == (b"gzip", told)
        assert (back.status, dict(texts.asked[-1].headers)[b"if-none-match"]) == (304, said)


async def test_switched_off_nothing_of_it_is_left() -> None:
    """SHOP_COMPRESSION=false: tags pass both ways as they are, whatever they look like."""
    texts = Texts((*TAGGED[:2], (b"etag", b'"v1~gzip"'), TAGGED[3]))
    async with reading(texts, SHOP_COMPRESSION="false") as door:
        got = await ask(door, "/texts/a", "gzip")
        back = await ask(door, "/texts/a", "gzip", 'If-None-Match: "v1~gzip"')

    assert (got.octets, got["etag"], got["vary"], got["content-length"]) == (
        LONG,
        b'"v1~gzip"',
        None,
        b"%d" % len(LONG),
    )
    assert (back.status, back["vary"]) == (304, None)


async def test_pictures_pass_with_their_tags() -> None:
    """Not one of their fields is another."""
    fields: Headers = ((b"content-type", b"image/png"), *TAGGED[1:])
    async with reading(Texts(fields)) as door:
        got = await ask(door, "/texts/a", "gzip")

    assert {name: got.fields[name] for name, _ in fields} == dict(fields)
    assert got.octets == LONG


@pytest.mark.parametrize(
    ("fields", "vary"),
    [
        ((), b"Accept-Encoding"),
        (((b"cache-control", b"private, max-age=5"),), None),
        (((b"content-type", b"image/png"),), None),
    ],
)
async def test_a_304_of_a_service_depends_on_what_its_200_may_depend_on(
    fields: Headers, vary: bytes | None
) -> None:
    """RFC 9110 15.4.5: it tells no type, so it may be that of a text, unless it says more."""
    async with reading(Texts(((b"etag", b'"v2"'), *fields), b"", status=304)) as door:
        got = await ask(door, "/texts/a", "gzip", 'If-None-Match: "v2"')

    assert (got.status, got["etag"], got["vary"]) == (304, b'"v2"', vary)


async def test_a_strong_tag_names_the_same_octets_each_time() -> None:
    """RFC 9110 8.8.1: whatever pieces the network made of it."""
    async with reading(Texts(TAGGED)) as one, reading(Texts(TAGGED, LONG[:777], LONG[777:])) as other:
        got = [await ask(door, "/texts/a", "gzip") for door in (one, other)]

    assert got[0].octets == got[1].octets


async def test_what_is_written_is_asked_for_by_its_own_tag_once() -> None:
    """One end of ours is taken off, and none where a route leaves all as it is."""
    for target, said, own in (
        ("/texts/a", '"v1~gzip~identity"', b'"v1~gzip"'),
        ("/refuses/a", '"v1~gzip"', b'"v1~gzip"'),
    ):
        texts = Texts()
        async with reading(texts) as door:
            await ask(door, target, "gzip", f"If-Match: {said}", "Content-Length: 0", method="PUT")

        assert dict(texts.asked[0].headers)[b"if-match"] == own


@pytest.mark.parametrize("target", ["/refuses/a", "/plain/a"])
async def test_a_route_that_leaves_all_as_it_is_leaves_conditions_too(target: str) -> None:
    """Its tags are the service's, whatever they end in."""
    texts = Texts(TAGGED)
    async with reading(texts) as door:
        got = await ask(door, target, "gzip", 'If-None-Match: "v1~gzip"')

    assert dict(texts.asked[0].headers)[b"if-none-match"] == b'"v1~gzip"'
    assert (got.octets, got["etag"], got["vary"]) == (LONG, b'"v1"', None)


@pytest.mark.parametrize(
    ("lines", "tag"),
    [
        (("Cookie: sid=1", 'If-None-Match: "v1~gzip"'), b'"v1~gzip"'),
        (("If-None-Match: *",), b'"v1"'),
    ],
)
async def test_a_304_has_the_tag_that_its_client_has(lines: tuple[str, ...], tag: bytes) -> None:
    """RFC 9111 4.3.4: also where it does not say again what its 200 said (`public`); `*` names no form."""
    async with reading(Texts(((b"etag", b'"v1"'),), b"", status=304)) as door:
        got = await ask(door, "/texts/a", "gzip", *lines)

    assert (got.status, got["etag"]) == (304, tag)


async def test_a_reader_may_demand_what_it_has_in_any_coding() -> None:
    """RFC 9110 13.1.1: the service judges, by its own tag."""
    texts = Texts(TAGGED)
    async with reading(texts) as door:
        await ask(door, "/texts/a", "gzip", 'If-Match: "v1~br"')

    assert dict(texts.asked[0].headers)[b"if-match"] == b'"v1"'
