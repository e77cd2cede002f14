"""What services stream leaves in the coding that is asked for, as it comes; the service is asked by its own tags."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated, Any

import pytest
from backports import zstd
from pydantic import BaseModel

from stagedoor import Cache, Cookie, Gateway, Header, Operation, Stream
from stagedoor._call import Call
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor._web.compression import Compression
from stagedoor.errors import UpstreamUnavailable
from stagedoor.testing import settle
from tests.stagedoor.near.doors import Behind, Connection, behind
from tests.stagedoor.web.codings import Coded, coded_so_far

ACCEPTED = {"": "", "gzip": "gzip, deflate", "br": "gzip, br", "zstd": "gzip, br, zstd"}
LONG = b"".join(b'{"line": %d, "said": %d}\n' % (one, one * one) for one in range(4_000))
TEXT: Headers = ((b"content-type", b"text/plain"),)
LINES: Headers = ((b"content-type", b"application/x-ndjson"),)
TAGGED: Headers = (
    *TEXT,
    (b"content-length", b"%d" % len(LONG)),
    (b"etag", b'"v1"'),
    (b"accept-ranges", b"bytes"),
)


class Body:
    """A body in pieces; each but the first waits until it is let out, if it is held, and the last may break."""

    def __init__(self, *pieces: bytes, held: bool = False, broken: bool = False) -> None:
        self.pieces = pieces
        self.gate = asyncio.Semaphore(1 if held else len(pieces) + 1)
        self.broken = broken
        self.taken = 0
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await self.gate.acquire()
        self.taken += 1
        if self.taken <= len(self.pieces):
            return self.pieces[self.taken - 1]
        if self.broken:
            raise UpstreamUnavailable("texts.GET", "cut")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


class Texts:
    """A service of texts, which answers anew each time, and judges conditions by its own tag as services do."""

    def __init__(self, fields: Headers = TEXT, *pieces: bytes, status: int = 200, **options: Any) -> None:
        self.fields = fields
        self.pieces = pieces or (LONG,)
        self.status = status
        self.options = options
        self.asked: list[HttpRequest] = []
        self.bodies: list[Body] = []

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked.append(call.payload)
        said, own = dict(call.payload.headers), dict(self.fields).get(b"etag")
        if own is not None and own in said.get(b"if-none-match", b""):
            fields = self.fields if self.status == 304 else ((b"etag", own),)
            return HttpResponse(status=304, headers=fields, stream=Body())
        body = Body(*([] if call.payload.method == "HEAD" else self.pieces), **self.options)
        self.bodies.append(body)
        return HttpResponse(status=self.status, headers=self.fields, stream=body)

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


class Words(BaseModel):
    words: list[str]


def library() -> Gateway:
    app = Gateway("shop", deadline=1.0)
    texts = app.service("texts", forward={"x-tongue", Cookie("sid")}, coalesce=False)
    methods: Any = {"GET", "PUT"}
    app.proxy("/texts/{name}", texts, methods=methods)
    app.proxy("/asks/{name}", texts, methods={"GET", "POST"}, compress=True)
    app.proxy("/refuses/{name}", texts, compress=False)

    @app.get("/handed/{name}", vary={"x-tongue", Cookie("sid")})
    async def handed(name: str) -> Stream:
        return await texts.open("/{}", name)

    @app.put("/texts/{name}/words")
    async def rewrite(
        name: str, if_match: Annotated[str, Header()] = "", if_none_match: Annotated[str, Header()] = ""
    ) -> None:
        conditions = {"if-match": if_match, "if-none-match": if_none_match}
        said = {field: tag for field, tag in conditions.items() if tag}
        await texts.request("PUT", "/texts/{}/words", name, headers=said)

    app.proxy("/words", texts, operation=Operation(summary="Show words", answers=Words))
    _declare_kept(app)
    return app


def _declare_kept(app: Gateway) -> None:
    others = app.service("others", coalesce=False)

    @app.get("/kept/{name}", cache=Cache(max_age=10, tags=["text:{name}"]))
    async def kept(name: str) -> Stream:
        return await others.open("/{}", name)

    @app.get("/long", compress=True, etag=True)
    async def long() -> list[str]:
        return ["x" * 1_100_000]


def reading(texts: Texts, **environment: str) -> AbstractAsyncContextManager[Behind]:
    return behind(library, environment=environment, transports={"texts": texts, "others": texts})


class Read:
    """One answer, as far as it came."""

    def __init__(self, raw: bytes) -> None:
        head, _, rest = raw.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        self.status = int(status.split()[1]) if status else 0
        self.fields = dict(line.split(b": ", 1) for line in lines)
        self.chunked = self.fields.get(b"transfer-encoding") == b"chunked"
        self.last_chunk = self.chunked and rest.endswith(b"0\r\n\r\n")
        self.octets = b"".join(chunks_of(rest)) if self.chunked else rest

    @property
    def coded(self) -> Coded:
        """Return what can be read of it."""
        coding = self.fields.get(b"content-encoding", b"").decode()
        return coded_so_far(coding, self.octets) if self.octets else Coded(b"", ended=not coding)

    def __getitem__(self, name: str) -> bytes | None:
        return self.fields.get(name.encode())


def chunks_of(rest: bytes) -> list[bytes]:
    """Return the whole chunks of what came."""
    found: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return found


def request(target: str, accepted: str = "", *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    fields = ["Host: shop", *([f"Accept-Encoding: {accepted}"] if accepted else []), *lines]
    return "\r\n".join([f"{method} {target} HTTP/{version}", *fields, "", ""]).encode()


async def until(connection: Connection, done: Callable[[bytes], bool]) -> Read:
    """Wait until what was written will do: a thread has a time of its own."""
    while not done(bytes(connection.wire.written)):  # noqa: ASYNC110 - a thread tells nobody
        await asyncio.sleep(0.001)
    await settle()
    return Read(bytes(connection.wire.written))


async def whole(door: Behind, asked: bytes) -> Read:
    """Ask over a connection of its own, and return the whole answer."""
    connection = door.connect()
    connection.protocol.data_received(asked)
    try:
        return await until(connection, lambda raw: connection.wire.closed or is_whole(raw, asked))
    finally:
        connection.lose()


def has_come(plain: bytes, raw: bytes) -> bool:
    return Read(raw).coded.plain == plain


def is_whole(raw: bytes, asked: bytes) -> bool:
    head, found, rest = raw.partition(b"\r\n\r\n")
    if asked.startswith(b"HEAD") or head[9:12] in {b"204", b"304"}:
        return bool(found)
    if b"transfer-encoding: chunked" in head:
        return rest.endswith(b"0\r\n\r\n")
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(length) and len(rest) >= int(length)


async def ask(door: Behind, target: str, coding: str = "gzip", *lines: str, method: str = "GET") -> Read:
    return await whole(door, request(target, ACCEPTED.get(coding, coding), *lines, method=method))


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
        connections[0].lose()
        await settle()
        after = door.connect()
        after.protocol.data_received(request("/texts/a", "gzip"))
        reads.append(await until(after, lambda raw: b"\r\n\r\n" in raw))

    assert [one["content-encoding"] for one in reads] == [b"gzip", b"gzip", None, b"gzip"]
    assert {one["vary"] for one in reads} == {b"Accept-Encoding"}


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
async def test_what_was_asked_for_with_credentials_is_for_everybody_only_if_it_says_so(
    line: str, control: bytes | None, coded: bool
) -> None:
    """BREACH: services rarely say `private`; credentials that go no further make no difference."""
    fields = TEXT if control is None else (*TEXT, (b"cache-control", control))
    async with reading(Texts(fields)) as door:
        got = await ask(door, "/texts/a", "gzip", line)

    assert (got["content-encoding"] == b"gzip") == coded


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
