"""Handlers that hand on what a service streams, and what of it is kept (H1, H3, HC8, HC11, X1)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest

from stagedoor import Cache, Gateway, Header, NotFound, Running, Stream, tag
from stagedoor._call import Call, Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.errors import ConfigError, UpstreamRejected, UpstreamUnavailable
from stagedoor.testing import Client, ManualClock, settle

PICTURE = b"0123456789"
FIELDS = (
    (b"content-type", b"image/png"),
    (b"content-length", b"10"),
    (b"etag", b'"p"'),
    (b"cache-control", b"public, max-age=60, immutable"),
)


class Body:
    """A body in chunks that notes whether it was given back, and may wait or break in the middle."""

    def __init__(self, *chunks: bytes, wait: asyncio.Event | None = None, broken: bool = False) -> None:
        self.chunks = list(chunks)
        self.wait = wait
        self.broken = broken
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.wait is not None:
            await self.wait.wait()
        if not self.chunks:
            if self.broken:
                raise UpstreamUnavailable("files.GET", "cut")
            raise StopAsyncIteration
        return self.chunks.pop(0)

    async def aclose(self) -> None:
        self.closed += 1


class Files:
    """A service that answers what it is told, each time anew."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self.answer = answer
        self.asked: list[HttpRequest] = []
        self.given: list[HttpResponse] = []

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked.append(call.payload)
        self.given.append(self.answer(call.payload))
        if self.given[-1].status >= 400:
            raise UpstreamRejected(call.operation, "refused", response=self.given[-1])
        return self.given[-1]

    @property
    def closed(self) -> list[int]:
        return [one.stream.closed for one in self.given if isinstance(one.stream, Body)]

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


def whole(_: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200, headers=FIELDS, stream=Body(PICTURE[:4], PICTURE[4:]))


def saying(
    *fields: tuple[bytes, bytes], status: int = 200, **options: Any
) -> Callable[[HttpRequest], HttpResponse]:
    return lambda _: HttpResponse(status=status, headers=fields, stream=Body(PICTURE, **options))


def pictures(cache: Cache | None = None) -> Gateway:
    app = Gateway("shop", deadline=1.0)
    files = app.service("files", headers={"authorization": "Bearer ours"}, coalesce=False)

    @app.get("/pictures/{name}", cache=cache)
    async def picture(name: str, width: int | None = None) -> Stream:
        """Show a picture.

        As it lies there.
        """
        if name == "none":
            raise NotFound("no such picture")
        return await files.open("/files/{}", name, query={"width": width})

    return app


KEPT = Cache(max_age=60, tags=["picture:{name}"])


async def test_what_is_streamed_is_handed_on(env: Env) -> None:
    """H1 and H5: the service's status, fields and octets; of the caller's fields conditions and range go along."""
    files = Files(
        saying(
            *FIELDS,
            (b"connection", b"x-hop, close"),
            (b"x-hop", b"1"),
            (b"via", b"1.1 files"),
            (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT"),
            status=206,
        )
    )
    async with pictures().build(env, transports={"files": files}) as running:
        said = await Client(running).ask(
            "/pictures/a%2Fb?width=3&other=1",
            headers=(
                (b"range", b"bytes=0-"),
                (b"if-range", b'"p"'),
                (b"authorization", b"Bearer theirs"),
                (b"x-own", b"1"),
            ),
        )

    asked = files.asked[0]
    assert (said.status, said.body) == (206, PICTURE)
    assert {name for name, _ in said.headers}.isdisjoint({b"connection", b"x-hop", b"via", b"date"})
    assert said.header(b"content-length") == b"10"
    assert asked.target == b"/files/a%2Fb?width=3"
    assert dict(asked.headers) == {
        b"authorization": b"Bearer ours",
        b"range": b"bytes=0-",
        b"if-range": b'"p"',
    }
    assert files.closed == [1]


@pytest.mark.parametrize("cache", [None, KEPT])
async def test_h1_what_connection_names_ends_here(env: Env, cache: Cache | None) -> None:
    """H1: also a range, and no client names our own fields away."""
    files = Files(whole)
    async with pictures(cache).build(env, transports={"files": files}) as running:
        said = await Client(running).ask(
            "/pictures/a", headers=((b"connection", b"Range, Authorization"), (b"range", b"bytes=0-1"))
        )

    assert (said.status, said.body) == (200, PICTURE)
    assert dict(files.asked[0].headers) == {b"authorization": b"Bearer ours"}


async def test_h3_what_has_passed_here_before_is_refused(env: Env) -> None:
    """H3: after one round."""
    files = Files(whole)
    async with pictures().build(env, transports={"files": files}) as running:
        said = await Client(running).ask("/pictures/a", headers=((b"via", b"1.1 other, 1.1 shop"),))

    assert (said.status, files.asked) == (508, [])


@pytest.mark.parametrize("cache", [None, KEPT])
async def test_head_takes_no_octet_and_no_range(env: Env, cache: Cache | None) -> None:
    """X1 and RFC 9110 14.2: the stream is given back, the length is told."""
    files = Files(whole)
    async with pictures(cache).build(env, transports={"files": files}) as running:
        said = await Client(running).ask("/pictures/a", method="HEAD", headers=((b"range", b"bytes=0-1"),))

    assert (said.status, said.body, said.header(b"content-length")) == (200, b"", b"10")
    assert b"range" not in dict(files.asked[0].headers)
    assert files.closed == [1]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (saying((b"content-type", b"text/html"), status=302), 502),
        (saying(status=204), 502),
        (saying(status=304), 502),
        (saying((b"content-range", b"bytes 0-9/20"), status=206), 502),
        (lambda _: HttpResponse(status=404), 404),
        (lambda _: HttpResponse(status=401), 502),
        (lambda _: HttpResponse(status=418), 418),
    ],
)
@pytest.mark.parametrize("cache", [None, KEPT])
async def test_what_nobody_asked_for_is_garbled_and_a_refusal_is_ours(
    env: Env, answer: Callable[[HttpRequest], HttpResponse], status: int, cache: Cache | None
) -> None:
    """H6: a redirect, a 304 without a condition or a part without a range is no answer; X1: it is given back."""
    files = Files(answer)
    async with pictures(cache).build(env, transports={"files": files}) as running:
        said = await Client(running).ask("/pictures/a")

    assert (said.status, said.header(b"content-type")) == (status, b"application/problem+json")
    assert set(files.closed) <= {1}


async def test_a_refused_range_tells_the_length(env: Env) -> None:
    """RFC 9110 15.5.17; by the type that it has where the answer is kept (H10)."""
    files = Files(lambda _: HttpResponse(status=416, headers=((b"content-range", b"bytes */10"),)))
    async with pictures().build(env, transports={"files": files}) as running:
        said = await Client(running).ask("/pictures/a", headers=((b"range", b"bytes=99-"),))

    assert (said.status, said.header(b"content-range")) == (416, b"bytes */10")
    assert b'"type":"urn:problem-type:shop:range-not-satisfiable"' in said.body


async def test_a_condition_that_holds_elsewhere_is_handed_on(env: Env) -> None:
    """RFC 9110 13: 304 where it was asked for."""
    files = Files(lambda _: HttpResponse(status=304, headers=((b"etag", b'"p"'),)))
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        said = await Client(running).ask("/pictures/a", headers=((b"if-none-match", b'"p"'),))

    assert (said.status, said.body, said.header(b"etag")) == (304, b"", b'"p"')


@pytest.mark.parametrize(("target", "status"), [("/pictures/none", 404), ("/pictures/a?width=x", 422)])
async def test_a_handler_refuses_in_its_own_words(env: Env, target: str, status: int) -> None:
    """H10: before the service is asked."""
    files = Files(whole)
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        said = await Client(running).ask(target)

    assert (said.status, files.asked) == (status, [])


@pytest.mark.parametrize("name", [b"if-match", b"if-none-match"])
async def test_a_list_of_tags_may_come_in_several_lines(env: Env, name: bytes) -> None:
    """HC8: and each of them counts (RFC 9110 5.3), whichever comes last."""
    async with pictures(KEPT).build(env, transports={"files": Files(whole)}) as running:
        client, tags = Client(running), (b'"p"', b'"q"')
        await client.ask("/pictures/a")
        said = [
            await client.ask("/pictures/a", headers=((name, first), (name, last)))
            for first, last in (tags, tags[::-1])
        ]

    assert [one.status for one in said] == ([200, 200] if name == b"if-match" else [304, 304])


async def test_what_is_small_and_whole_is_kept(env: Env, clock: ManualClock) -> None:
    """HC8 and HC11: conditions and ranges are answered here, with the age; each key is its own."""
    files = Files(whole)
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        client = Client(running)
        first = await client.ask("/pictures/a")
        await clock.advance(7)
        again = await client.ask("/pictures/a")
        part = await client.ask("/pictures/a", headers=((b"range", b"bytes=2-3"),))
        same = await client.ask("/pictures/a", headers=((b"if-none-match", b'"p"'),))
        other = await client.ask("/pictures/a", headers=((b"if-match", b'"q"'),))
        beyond = await client.ask("/pictures/a", headers=((b"range", b"bytes=10-"),))
        wide = await client.ask("/pictures/a?width=3")

    assert (first.body, first.header(b"cache-status")) == (PICTURE, b"stagedoor; fwd=miss; stored")
    assert (again.status, again.body, again.header(b"age")) == (200, PICTURE, b"7")
    assert again.header(b"cache-status") == b"stagedoor; hit; ttl=53"
    assert again.header(b"cache-control") == b"public, max-age=60, immutable"
    assert (part.status, part.body, part.header(b"content-range")) == (206, b"23", b"bytes 2-3/10")
    assert (same.status, same.body) == (304, b"")
    assert same.header(b"content-type") is None
    assert (other.status, beyond.status, beyond.header(b"content-range")) == (412, 416, b"bytes */10")
    assert wide.body == PICTURE
    assert len(files.asked) == 2
    assert files.closed == [1, 1]


@pytest.mark.parametrize(
    ("said", "ages"),
    [
        (b"30", [b"30", b"37", b"38"]),
        (b"0", [b"0", b"7", b"8"]),
        (b"9" * 19, [b"9" * 19, b"2147483655", b"2147483656"]),
        (b"-5", [b"-5", b"7", b"8"]),
        (b"soon", [b"soon", b"7", b"8"]),
    ],
)
async def test_hc8_the_age_of_what_was_kept_elsewhere_goes_on(
    env: Env, clock: ManualClock, said: bytes, ages: list[bytes]
) -> None:
    """RFC 9111 4.2.3 and 5.1: one figure, which counts from where the answer was made; junk counts as nothing."""
    files = Files(saying(*FIELDS, (b"age", said)))
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        client = Client(running)
        told = [await client.ask("/pictures/a")]
        for seconds in (7, 1):
            await clock.advance(seconds)
            told.append(await client.ask("/pictures/a"))

    assert [[value for name, value in one.headers if name == b"age"] for one in told] == [
        [age] for age in ages
    ]
    assert len(files.asked) == 1


async def test_what_is_kept_ends_with_its_time_and_with_a_purge(env: Env, clock: ManualClock) -> None:
    """G4: by its tag; K8: what cannot be read is none."""
    files = Files(whole)
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        client = Client(running)
        await client.ask("/pictures/a")
        await running.purge("picture:{}", "b")
        kept = await client.ask("/pictures/a")
        await running.purge("picture:{}", "a")
        fresh = await client.ask("/pictures/a")
        await clock.advance(60)
        late = await client.ask("/pictures/a")
        held = running.stores.near.find(running.stores.near.keys(1)[0])
        assert held is not None
        object.__setattr__(held.entry, "body", b"torn")
        torn = await client.ask("/pictures/a")
        held = running.stores.near.find(running.stores.near.keys(1)[0])
        object.__setattr__(held.entry if held else None, "schema", "of another release")
        foreign = await client.ask("/pictures/a")

    assert [said.header(b"age") for said in (kept, fresh, late, torn, foreign)] == [b"0", *[None] * 4]
    assert len(files.asked) == 5


async def test_g4_a_tag_that_is_found_while_a_stream_is_made_drops_it(env: Env) -> None:
    """G4: it was heard, and kept nothing."""
    app, files = Gateway("shop", deadline=1.0), Files(whole)
    service = app.service("files", coalesce=False)

    @app.get("/pictures/{name}", cache=KEPT)
    async def picture(name: str) -> Stream:
        tag("owner:{}", "ann")
        return await service.open("/files/{}", name)

    async with app.build(env, transports={"files": files}) as running:
        client = Client(running)
        for _ in range(2):
            await client.ask("/pictures/a")
        before = len(files.asked)
        await running.purge("owner:{}", "ann")
        await client.ask("/pictures/a")

    assert (before, len(files.asked)) == (1, 2)


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS[:2],
        (FIELDS[0], FIELDS[2]),
        (*FIELDS[:2], (b"etag", b'W/"p"')),
        (*FIELDS[:3], (b"cache-control", b"no-store")),
        (*FIELDS[:3], (b"cache-control", b"private")),
        (*FIELDS[:3], (b"cache-control", b"Private"), FIELDS[3]),
        (*FIELDS, (b"cache-control", b"no-store"), (b"cache-control", b"max-age=60")),
        (*FIELDS, (b"set-cookie", b"a=b")),
        (*FIELDS, (b"vary", b"Accept")),
        (FIELDS[0], (b"content-length", b"1048576"), FIELDS[2]),
        (FIELDS[0], (b"content-length", b"9" * 30), FIELDS[2]),
    ],
)
async def test_what_is_somebodys_own_or_large_is_not_kept(env: Env, fields: Any) -> None:
    """T4 and K1: it is streamed, each time."""
    files = Files(saying(*fields))
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        said = [await Client(running).ask("/pictures/a") for _ in range(2)]

    assert [one.header(b"age") for one in said] == [None, None]
    assert len(files.asked) == 2


async def test_hc11_what_ends_early_is_not_kept(env: Env) -> None:
    """HC11: and never delivered as whole."""
    files = Files(saying(*FIELDS[:1], (b"content-length", b"99"), FIELDS[2], broken=True))
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        said = await Client(running).ask("/pictures/a")

    assert (said.status, files.closed) == (503, [1])


async def test_a_length_that_is_not_the_bodys_is_not_kept(env: Env) -> None:
    """HC11: whoever miscounts is asked again."""
    files = Files(saying(FIELDS[0], (b"content-length", b"11"), FIELDS[2]))
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        said = [await Client(running).ask("/pictures/a") for _ in range(2)]

    assert [one.header(b"age") for one in said] == [None, None]


async def test_k4_who_asks_for_the_same_waits(env: Env) -> None:
    """K4: one call for what is kept; what is not kept each fetches."""
    release = asyncio.Event()
    small = Files(lambda _: HttpResponse(status=200, headers=FIELDS, stream=Body(PICTURE, wait=release)))
    async with pictures(KEPT).build(env, transports={"files": small}) as running:
        client = Client(running)
        asking = [asyncio.create_task(client.ask("/pictures/a")) for _ in range(20)]
        for _ in range(10):
            await asyncio.sleep(0)
        release.set()
        said = await asyncio.gather(*asking)
    large = Files(saying(FIELDS[0]))
    async with pictures(KEPT).build(env, transports={"files": large}) as running:
        client = Client(running)
        await asyncio.gather(*(client.ask("/pictures/a") for _ in range(5)))

    assert {one.body for one in said} == {PICTURE}
    assert (len(small.asked), len(large.asked)) == (1, 5)


@pytest.mark.parametrize("leaves", [1, 3])
async def test_k4_who_leaves_is_followed_by_one_of_those_who_wait(env: Env, leaves: int) -> None:
    """K4: all of them asked at once for what one client no longer wanted."""
    release = asyncio.Event()
    files = Files(lambda _: HttpResponse(status=200, headers=FIELDS, stream=Body(PICTURE, wait=release)))
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        client = Client(running)
        asking = [asyncio.create_task(client.ask("/pictures/a")) for _ in range(20)]
        for gone in asking[:leaves]:
            await settle()
            gone.cancel()
        await settle()
        release.set()
        said = await asyncio.gather(*asking[leaves:])

    assert {(one.status, one.body) for one in said} == {(200, PICTURE)}
    assert len(files.asked) == 1 + leaves
    assert files.closed == [1] * (1 + leaves)


async def test_k4_what_cannot_be_fetched_is_asked_for_once(env: Env) -> None:
    """K4: all who waited asked anew, each on its own, of a service that was in trouble."""
    release = asyncio.Event()
    broken = Files(lambda _: HttpResponse(status=200, headers=FIELDS, stream=Body(wait=release, broken=True)))
    async with pictures(KEPT).build(env, transports={"files": broken}) as running:
        client = Client(running)
        asking = [asyncio.create_task(client.ask("/pictures/a")) for _ in range(20)]
        await settle()
        release.set()
        said = await asyncio.gather(*asking)
        again = await client.ask("/pictures/a")

    assert {one.status for one in (*said, again)} == {503}
    assert len(broken.asked) == 2


async def test_a_head_that_does_not_come_in_time_is_late(env: Env, clock: ManualClock) -> None:
    """D3: the deadline holds until the head is there."""
    app = Gateway("shop", deadline=1.0)

    @app.get("/pictures/{name}")
    async def picture(name: str) -> Stream:
        await asyncio.get_running_loop().create_future()
        raise NotFound(name)

    async with app.build(env) as running:
        asking = asyncio.create_task(Client(running).ask("/pictures/a"))
        for _ in range(10):
            await asyncio.sleep(0)
        await clock.advance(1.1)
        said = await asking

    assert said.status == 504


async def test_a_handler_that_returns_something_else_is_a_mistake(env: Env) -> None:
    """As with every other promise."""
    app = Gateway("shop")

    @app.get("/pictures")
    async def picture() -> Stream:
        return b"octets"  # type: ignore[return-value]

    async with app.build(env) as running:
        said = await Client(running).ask("/pictures")

    assert said.status == 500


def test_a_declaration_that_cannot_be_is_refused(env: Env) -> None:
    """Checked before anything is served."""
    posting, varying, tagging, silent, naming = (Gateway(name) for name in "abcde")

    @posting.post("/a")
    async def post() -> Stream:
        raise NotFound

    @varying.get("/a", cache=KEPT, vary={"accept-language"})
    async def vary(name: str) -> Stream:
        raise NotFound(name)

    @tagging.get("/a", cache=KEPT)
    async def tagged(nam: str) -> Stream:
        raise NotFound(nam)

    @silent.get("/a")
    async def silence():  # type: ignore[no-untyped-def]  # noqa: ANN202
        raise NotFound

    @naming.get("/a", etag=True)
    async def named() -> Stream:
        raise NotFound

    for app, said in (
        (posting, "only GET"),
        (varying, "same for everybody"),
        (tagging, "'name', which is no"),
        (silent, "does not say what it returns"),
        (naming, "etag= is for values"),
    ):
        with pytest.raises(ConfigError, match=said):
            app.made(env)


def test_its_route_is_documented(env: Env) -> None:
    """G9: with its inputs, and what it may answer."""
    running = pictures(KEPT).made(env, transports={"files": Files(whole)})

    route = next(one for one in running.web.routes if one.path == "/pictures/{name}")

    assert route.documentation is not None
    assert (route.documentation.summary, route.documentation.media_type) == ("Show a picture.", "*/*")
    assert route.documentation.also == (206,)
    assert [one.name for one in route.parameters] == ["name", "width"]
    assert (route.kind, route.cached) == ("stream", 60)


async def test_a_handler_of_a_field_varies_by_it(env: Env) -> None:
    """Without a cache a stream may be somebody's own."""
    app = Gateway("shop")
    files = app.service("files", coalesce=False)

    @app.get("/mine")
    async def mine(x_who: Annotated[str, Header()] = "") -> Stream:
        return await files.open("/files/{}", x_who)

    service = Files(lambda _: HttpResponse(status=200, headers=((b"content-type", b"a/b"),), body=b"whole"))
    async with app.build(env, transports={"files": service}) as running:
        said = await Client(running).ask("/mine", headers=((b"x-who", b"me"),))

    assert isinstance(running, Running)
    assert (said.status, said.body, service.asked[0].target) == (200, b"whole", b"/files/me")


async def test_who_waits_for_anothers_picture_waits_no_longer_than_the_deadline(
    env: Env, clock: ManualClock
) -> None:
    """D1: the other's body may take for ever; whoever joined had no end of its own."""
    held = asyncio.Event()
    files = Files(lambda _: HttpResponse(status=200, headers=FIELDS, stream=Body(PICTURE, wait=held)))
    async with pictures(KEPT).build(env, transports={"files": files}) as running:
        client = Client(running)
        first = asyncio.create_task(client.ask("/pictures/a"))
        await settle()
        second = asyncio.create_task(client.ask("/pictures/a"))
        await settle()
        await clock.advance(1.1)
        late = await second
        held.set()
        whole = await first

    assert (late.status, whole.status, whole.body, len(files.asked)) == (504, 200, PICTURE, 1)
