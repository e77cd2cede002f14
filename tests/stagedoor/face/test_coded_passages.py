"""What services stream leaves in the coding that is asked for, as it comes."""

import random
from collections.abc import Sequence
from functools import partial

import pytest

from stagedoor._requests import Headers
from stagedoor._web.compression import Compression
from stagedoor.testing import settle
from tests.stagedoor.face.texts import (
    ACCEPTED,
    LINES,
    LONG,
    TAGGED,
    TEXT,
    Read,
    Texts,
    ask,
    has_come,
    reading,
    request,
    until,
    whole,
)


@pytest.mark.parametrize("coding", ACCEPTED)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("target", ["/texts/a", "/handed/a"])
@pytest.mark.parametrize("fields", [TEXT, TAGGED])
async def test_a_stream_leaves_in_each_coding(
    coding: str, version: str, target: str, fields: Headers
) -> None:
    """Content-Length goes where octets change: chunks say the end, in 1.0 that of the connection."""
    async with reading(Texts(fields, LONG[:50_000], LONG[50_000:])) as door:
        got = await whole(door, request(target, ACCEPTED[coding], version=version))

    plain_length = b"%d" % len(LONG) if fields is TAGGED and not coding else None
    assert (got.status, got.coded) == (200, (LONG, True))
    assert (got["content-encoding"] or b"").decode() == coding
    assert got["vary"] == b"Accept-Encoding"
    assert got["content-length"] == plain_length
    assert got.chunked == (version == "1.1" and plain_length is None)
    assert got["connection"] == (b"close" if version == "1.0" else None)
    assert not coding or len(got.octets) < len(LONG) / 3
    assert got["accept-ranges"] == (b"bytes" if fields is TAGGED and not coding else None)


@pytest.mark.parametrize("coding", ACCEPTED)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("fields", [TEXT, TAGGED])
async def test_a_stream_that_is_cut_never_looks_whole(coding: str, version: str, fields: Headers) -> None:
    """HC11: neither the coding nor the message has its end, and the service's connection is given up."""
    texts = Texts(fields, LONG[:40_000], broken=True)
    async with reading(texts) as door:
        connection = door.connect()
        connection.protocol.data_received(request("/texts/a", ACCEPTED[coding], version=version))
        got = await until(connection, lambda _: connection.wire.closed)

    assert (got.status, got.last_chunk) == (200, False)
    assert LONG.startswith(got.coded.plain)
    assert not got.coded.ended or not coding
    assert [body.closed for body in texts.bodies] == [1]


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_content_that_is_shorter_than_it_said_never_looks_whole(coding: str) -> None:
    """HC11: the door cannot see it, for a coded one has no Content-Length."""
    async with reading(Texts(TAGGED, LONG[:-1])) as door:
        connection = door.connect()
        connection.protocol.data_received(request("/texts/a", ACCEPTED[coding]))
        got = await until(connection, lambda _: connection.wire.closed)

    assert (got.last_chunk, got.coded.ended) == (False, False)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_each_line_is_there_when_it_was_sent(coding: str, version: str) -> None:
    """A reader of NDJSON waits for none but the next."""
    lines = [b'{"line": %d}\n' % one for one in range(4)]
    texts = Texts(LINES, *lines, held=True)
    async with reading(texts) as door:
        connection = door.connect()
        connection.protocol.data_received(request("/texts/a", ACCEPTED[coding], version=version))
        for count in range(1, 5):
            got = await until(connection, partial(has_come, b"".join(lines[:count])))
            assert not got.coded.ended
            texts.bodies[0].gate.release()
        await until(connection, lambda raw: connection.wire.closed or raw.endswith(b"0\r\n\r\n"))

    assert Read(bytes(connection.wire.written)).coded == (b"".join(lines), True)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_slow_reader_holds_the_service_back(coding: str) -> None:
    """What is coded waits in no queue: the next piece is taken when the client takes more."""
    pieces = [random.Random(one).randbytes(16_384) for one in range(30)]
    texts = Texts(TEXT, *pieces, held=True)
    async with reading(texts) as door:
        connection = door.connect()
        connection.protocol.data_received(request("/texts/a", ACCEPTED[coding]))
        await until(connection, partial(has_come, pieces[0]))
        connection.protocol.pause_writing()
        for _ in pieces:
            texts.bodies[0].gate.release()
        await until(connection, lambda raw: len(Read(raw).coded.plain) >= 2 * 16_384)
        await settle()
        assert texts.bodies[0].taken == 2
        connection.protocol.resume_writing()
        got = await until(connection, lambda raw: raw.endswith(b"0\r\n\r\n"))

    assert got.coded == (b"".join(texts.pieces), True)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("pieces", [0, 1, 2])
async def test_a_client_that_leaves_ends_it(coding: str, pieces: int) -> None:
    """X1, D6: before anything came, and while the next piece is waited for."""
    texts = Texts(LINES, *[b'{"line": 1}\n'] * 5, held=True)
    async with reading(texts) as door:
        connection = door.connect()
        connection.protocol.data_received(request("/texts/a", ACCEPTED[coding]))
        await settle()
        for _ in range(pieces):
            texts.bodies[0].gate.release()
        await until(connection, lambda _: texts.bodies[0].taken == 1 + pieces)
        connection.lose()
        await settle()
        compression = door.running.web.compression

        assert [body.closed for body in texts.bodies] == [1]
        assert compression is not None
        assert compression.streams == 0


async def test_above_so_many_streams_the_next_leave_as_they_are() -> None:
    """Slow readers hold no more memory than was meant for coding; who comes when one has ended is coded again."""
    texts = Texts(LINES, b'{"line": 1}\n', b'{"line": 2}\n', held=True)
    async with reading(texts) as door:
        door.running.web.compression = Compression(door.running.stores.near, streams=2)
        connections = [door.connect() for _ in range(3)]
        for connection in connections:
            connection.protocol.data_received(request("/texts/a", "gzip"))
            await settle()
        reads = [
            await until(one, lambda raw: b"\r\n\r\n" in raw and b"\r\n" in raw[-2:]) for one in connections
        ]
        head = await ask(door, "/texts/a", "gzip", method="HEAD")
        connections[0].lose()
        await settle()
        after = door.connect()
        after.protocol.data_received(request("/texts/a", "gzip"))
        reads.append(await until(after, lambda raw: b"\r\n\r\n" in raw))

    assert [one["content-encoding"] for one in reads] == [b"gzip", b"gzip", None, b"gzip"]
    assert {one["vary"] for one in reads} == {b"Accept-Encoding"}
    assert head["content-encoding"] == b"gzip"  # it takes no place


@pytest.mark.parametrize("coding", ACCEPTED)
@pytest.mark.parametrize("target", ["/texts/a", "/handed/a", "/kept/a"])
@pytest.mark.parametrize("fields", [TEXT, TAGGED])
async def test_head_says_what_get_says(coding: str, target: str, fields: Headers) -> None:
    """RFC 9110 9.3.2: but how the message ends."""
    async with reading(Texts(fields)) as door:
        got, head = [await ask(door, target, coding, method=method) for method in ("GET", "HEAD")]

    framing = {b"transfer-encoding", b"date", b"x-request-id", b"cache-status", b"age"}
    assert {name: said for name, said in head.fields.items() if name not in framing} == {
        name: said for name, said in got.fields.items() if name not in framing
    }
    assert head.octets == b""


NOT_CODED: list[Headers] = [
    ((b"content-type", b"image/png"),),
    ((b"content-type", b"image/svg+xml"),),
    ((b"content-type", b"application/octet-stream"),),
    ((b"content-type", b"text/event-stream"),),
    ((b"content-type", b"application/problem+json"),),
    (),
    (*TEXT, (b"content-length", b"1023")),
    (*TEXT, (b"content-encoding", b"gzip")),
    (*TEXT, (b"cache-control", b"public"), (b"cache-control", b"no-transform")),
    (*TEXT, (b"cache-control", b"private, max-age=5")),
    (*TEXT, (b"cache-control", b"no-store")),
    (*TEXT, (b"set-cookie", b"a=1")),
    (*TEXT, (b"content-digest", b"sha-256=:x:")),
]


@pytest.mark.parametrize("fields", NOT_CODED)
@pytest.mark.parametrize("target", ["/texts/a", "/handed/a"])
async def test_some_streams_leave_as_they_are(fields: Headers, target: str) -> None:
    """BREACH, pictures, what is coded already or may not be changed, what is too small: nothing depends on a coding."""
    body = b"x" * int(dict(fields).get(b"content-length", b"2000"))
    async with reading(Texts(fields, body)) as door:
        got = await ask(door, target, "gzip")

    assert (got.octets, got["vary"]) == (body, None)
    assert got["content-encoding"] == dict(fields).get(b"content-encoding")


@pytest.mark.parametrize(
    ("target", "status", "lines"),
    [
        ("/refuses/a", 200, ()),
        ("/texts/a", 404, ()),
        ("/texts/a", 201, ()),
    ],
)
async def test_neither_does_what_the_route_refuses_or_no_success(
    target: str, status: int, lines: Sequence[str]
) -> None:
    """As it is for what is held."""
    async with reading(Texts(TEXT, b"x" * 2_000, status=status)) as door:
        got = await ask(door, target, "gzip", *lines)

    assert (got.status, got.octets, got["vary"]) == (status, b"x" * 2_000, None)


@pytest.mark.parametrize(
    "fields",
    [
        (*TEXT, (b"cache-control", b"private")),
        (*TEXT, (b"set-cookie", b"a=1")),
        ((b"content-type", b"text/event-stream; charset=utf-8"),),
    ],
)
async def test_a_route_may_ask_for_it(fields: Headers) -> None:
    """compress=True: events too, each of which leaves when it came."""
    async with reading(Texts(fields, b"data: 1\n\n", b"data: 2\n\n")) as door:
        got = await ask(door, "/asks/a", "gzip")

    assert (got["content-encoding"], got.coded) == (b"gzip", (b"data: 1\n\ndata: 2\n\n", True))


@pytest.mark.parametrize(
    ("line", "control", "coded"),
    [
        ("Cookie: sid=1", None, False),
        ("Cookie: sid=1", b"public, max-age=5", True),
        ("X-Auth-Token: 1", None, False),
        ("Authorization: Bearer x", None, True),
        ("X-Tongue: de", None, True),
    ],
)
@pytest.mark.parametrize("target", ["/texts/a", "/handed/a"])
async def test_what_was_asked_for_with_credentials_is_for_everybody_only_if_it_says_so(
    line: str, control: bytes | None, coded: bool, target: str
) -> None:
    """BREACH: services rarely say `private`; credentials that go no further make no difference."""
    fields = TEXT if control is None else (*TEXT, (b"cache-control", control))
    async with reading(Texts(fields)) as door:
        got = await ask(door, target, "gzip", line)

    # A handler hands on no field that was not named.
    assert (got["content-encoding"] == b"gzip") == (coded or (target, line[:6]) == ("/handed/a", "X-Auth"))


async def test_a_request_may_forbid_it() -> None:
    """RFC 9111 5.2.1.6: who hands on transforms nothing then; the answer depends on the coding all the same."""
    async with reading(Texts()) as door:
        got = await ask(door, "/texts/a", "gzip", "Cache-Control: no-transform")

    assert (got.octets, got["content-encoding"], got["vary"]) == (LONG, None, b"Accept-Encoding")


async def test_what_it_depends_on_is_said_once() -> None:
    """Services that know codings themselves say so; `*` is everything."""
    varied = {b"Accept-Encoding": b"Accept-Encoding", b"*": b"*", b"X-Tongue": b"X-Tongue, Accept-Encoding"}
    for said, told in varied.items():
        async with reading(Texts((*TEXT, (b"vary", said)))) as door:
            assert (await ask(door, "/texts/a", "gzip"))["vary"] == told


async def test_the_door_gives_kept_texts_again_in_each_coding() -> None:
    """What is kept is prepared once, and needs neither handler nor thread."""
    async with reading(Texts(TAGGED)) as door:
        turns = [{coding: await ask(door, "/kept/a", coding) for coding in ACCEPTED} for _ in range(4)]
        connection = door.connect()
        again = Read(connection.at_once(request("/kept/a", ACCEPTED["br"])))

    first = turns[0]
    assert [{coding: one.octets for coding, one in turn.items()} for turn in turns[1:]] == [
        {coding: one.octets for coding, one in first.items()}
    ] * 3
    assert {coding: one.coded.plain for coding, one in first.items()} == dict.fromkeys(ACCEPTED, LONG)
    assert {one["content-length"] for one in first.values()} == {
        b"%d" % len(one.octets) for one in first.values()
    }
    assert again.octets == first["br"].octets


async def test_a_condition_beside_a_range_permits_the_door_no_form_of_its_own() -> None:
    """It is judged by the service's own tag; who asks next gets the coding that is liked best."""
    fields = ((b"content-length", b"20000"), *(field for field in TAGGED if field[0] != b"content-length"))
    async with reading(Texts(fields, LONG[:20_000])) as door:
        connection = door.connect()
        for _ in range(4):
            await connection.send(request("/kept/a"))
        for _ in range(3):
            await connection.send(request("/kept/a", "", "Range: bytes=0-9", 'If-None-Match: "v1"'))
        got = Read(await connection.send(request("/kept/a", "gzip")))

    assert got["content-encoding"] == b"gzip"


async def test_an_answer_that_was_read_whole_is_coded_too() -> None:
    """What an operation promises is read before it leaves; the tag is the service's all the same."""
    plain = b'{"words": [%b]}' % b", ".join([b'"word"'] * 1_000)
    texts = Texts(((b"content-type", b"application/json"), (b"etag", b'"v1"')), plain)
    async with reading(texts) as door:
        got = await ask(door, "/words", "gzip")
        head = await ask(door, "/words", "gzip", method="HEAD")
        back = await ask(door, "/words", "gzip", f"If-None-Match: {(got['etag'] or b'').decode()}")

    assert (got["content-encoding"], got.coded) == (b"gzip", (plain, True))
    assert (got["etag"], got["content-length"], got["vary"]) == (b'"v1~gzip"', None, b"Accept-Encoding")
    assert [head[name] for name in ("etag", "content-encoding")] == [b'"v1~gzip"', b"gzip"]
    assert (back.status, back["etag"]) == (304, b'"v1~gzip"')


async def test_an_answer_to_a_post_is_coded_and_a_refusal_is_not() -> None:
    """A search that is posted, and what went wrong with it."""
    for status, coded in ((200, b"gzip"), (422, None)):
        async with reading(Texts(TEXT, status=status)) as door:
            got = await ask(door, "/asks/a", "gzip", "Content-Length: 0", method="POST")

        assert (got.status, got["content-encoding"]) == (status, coded)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("coding", ACCEPTED)
async def test_a_long_answer_of_our_own_is_coded_as_it_is_sent(coding: str, method: str) -> None:
    """Above what any store keeps nothing is prepared whole; tags and conditions are as for all others."""
    async with reading(Texts()) as door:
        got = await ask(door, "/long", coding, method=method)
        back = await ask(door, "/long", coding, f"If-None-Match: {(got['etag'] or b'').decode()}")
        other = await ask(door, "/long", coding, 'If-Match: "other"')
        kept = door.running.stores.near.stats().items

    assert (got["content-encoding"] or b"").decode() == coding
    assert (got["content-length"] is None) == bool(coding)
    assert method == "HEAD" or got.coded == (b'["%b"]' % (b"x" * 1_100_000), True)
    assert (back.status, back["etag"], back["vary"]) == (304, got["etag"], b"Accept-Encoding")
    assert (other.status, kept) == (412, 0)


@pytest.mark.parametrize("target", ["/texts/a", "/handed/a"])
@pytest.mark.parametrize("coding", ACCEPTED)
async def test_what_a_service_had_whole_is_coded_as_what_it_streams(target: str, coding: str) -> None:
    """A transport in process hands over bytes."""
    async with reading(Texts(TAGGED, whole=True)) as door:
        got = await ask(door, target, coding)

    assert ((got["content-encoding"] or b"").decode(), got.coded) == (coding, (LONG, True))
