"""Pass-through: what goes on, what ends here, and that nothing is left behind (H, T8)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stagedoor import Cookie, Gateway, Operation
from stagedoor._cache.entry import Entry
from stagedoor._cache.tags import tag
from stagedoor._call import Call, Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.errors import ConfigError, UpstreamRejected
from stagedoor.testing import Client, Stage, settle


def files(**options: Any) -> Gateway:
    app = Gateway("shop", deadline=1.0)
    service = app.service("files", **options)
    app.proxy("/avatars/{name}", service, to="/pictures/{name}.png")
    methods: Any = {"GET", "PUT", "POST", "DELETE"}
    app.proxy("/files/{rest:path}", service, methods=methods, limit=100)
    app.proxy("/", service)
    return app


class Body:
    """A body in chunks that notes whether it was given back."""

    def __init__(self, *chunks: bytes, stuck: bool = False) -> None:
        self.chunks = list(chunks)
        self.stuck = stuck
        self.given = 0
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self.chunks and self.stuck:
            await asyncio.get_running_loop().create_future()
        if not self.chunks:
            raise StopAsyncIteration
        self.given += 1
        return self.chunks.pop(0)

    async def aclose(self) -> None:
        self.closed += 1


class Files:
    """A service that answers what it is told, and keeps what it was asked."""

    def __init__(self, answer: HttpResponse) -> None:
        self.answer = answer
        self.asked: list[HttpRequest] = []
        self.bodies: list[bytes] = []

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        body = call.payload.body
        self.asked.append(call.payload)
        self.bodies.append(body if isinstance(body, bytes) else b"".join([chunk async for chunk in body]))
        return self.answer

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


class Refusing(Files):
    """A service that refuses."""

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        raise UpstreamRejected(call.operation, "refused", response=await super().send(call))


async def passed(
    env: Env,
    target: str,
    *fields: tuple[bytes, bytes],
    method: str = "GET",
    body: bytes = b"",
    answer: HttpResponse | None = None,
    behind: bool = False,
    **options: Any,
) -> tuple[HttpResponse, list[HttpRequest]]:
    service = Files(
        answer or HttpResponse(status=200, headers=((b"content-type", b"image/png"),), body=b"png")
    )
    app = files(**options)
    environment = {"SHOP_TRUSTED_PROXIES": "192.0.2.1"} if behind else {}
    made = app.made(env, transports={"files": service}, environment=environment)
    async with made.opened() as running:
        said = await Client(running).ask(target, method=method, headers=fields, body=body)
        return said, service.asked


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/avatars/a%2Fb", b"/pictures/a%2Fb.png"),
        ("/avatars/%7Ea?x=1&x=%20+%zz", b"/pictures/%7Ea.png?x=1&x=%20+%zz"),
        ("/files/a/b%20c/", b"/files/a/b%20c/"),
        ("/files/a//b;p=1", b"/files/a//b;p=1"),
        ("/files/x?", b"/files/x"),
        ("/", b"/"),
    ],
)
async def test_path_and_query_go_on_byte_for_byte(env: Env, target: str, sent: bytes) -> None:
    """H5: nothing is decoded, collapsed or written anew."""
    _, asked = await passed(env, target)

    assert [one.target for one in asked] == [sent]


@pytest.mark.parametrize(
    "segment",
    [
        "..",
        "%2e%2e",
        "%2E.",
        ".",
        "a%2f..%2fb",
        "..%5ca",
        "..\\a",
        "%00",
        "a%00b",
        "%2e%2e%2fadmin",
        "a/../../b",
    ],
)
async def test_a_segment_that_would_climb_is_refused(env: Env, segment: str) -> None:
    """T8: whoever decodes it would be elsewhere."""
    said, asked = await passed(env, f"/files/x/{segment}")

    assert (said.status, asked) == (400, [])


@pytest.mark.parametrize("segment", ["...", "a..b", ".a", "%252e%252e"])
async def test_dots_inside_a_name_are_harmless(env: Env, segment: str) -> None:
    """T8: a doubly encoded one is a name for whoever decodes once."""
    said, asked = await passed(env, f"/files/x/{segment}")

    assert (said.status, asked[0].target) == (200, f"/files/x/{segment}".encode())


FIELDS: tuple[tuple[bytes, bytes], ...] = (
    (b"accept", b"image/*"),
    (b"if-none-match", b'"a"'),
    (b"range", b"bytes=0-1"),
    (b"x-many", b"1"),
    (b"x-many", b"2"),
)


async def test_end_to_end_fields_go_on_each_line_as_it_came(env: Env) -> None:
    """RFC 9110 7.6.1: unknown ones too."""
    _, [asked] = await passed(env, "/", *FIELDS)

    assert asked.headers[:-1] == FIELDS
    assert asked.headers[-1] == (b"x-forwarded-for", b"192.0.2.1")


@pytest.mark.parametrize("name", [b"content_length", b"x_forwarded_for", b"x_api_key", b"x_request_id"])
async def test_t3_twins_of_what_ends_here_end_too(env: Env, name: bytes) -> None:
    """T3: the door refuses them; under another server a WSGI service would read them as the fields themselves."""
    _, [asked] = await passed(env, "/files/a", (name, b"7"), (b"x_mine", b"1"))

    assert (name, b"7") not in asked.headers
    assert (b"x_mine", b"1") in asked.headers


@pytest.mark.parametrize(
    "name",
    [
        b"forwarded",
        b"x-forwarded-host",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x_forwarded_host",
        b"x-real-ip",
    ],
)
async def test_t5_what_a_client_says_of_itself_as_a_proxy_would_ends_here(env: Env, name: bytes) -> None:
    """T5: a service believes it of this gateway, and leads its visitors by it; a proxy that is trusted is passed on."""
    said = (name, b"/evil")
    _, [stranger] = await passed(env, "/files/a", said)
    _, [proxy] = await passed(env, "/files/a", said, behind=True)

    assert said not in stranger.headers
    assert said in proxy.headers


@pytest.mark.parametrize(
    "name", [b"x-original-url", b"x-rewrite-url", b"x-http-method-override", b"x_http_method_override"]
)
async def test_t5_no_service_is_led_elsewhere_than_the_passage_leads(env: Env, name: bytes) -> None:
    """T5: to another path, or by a method that is not let through, as some frameworks are; `forward` says otherwise."""
    _, [asked] = await passed(env, "/files/a", (name, b"DELETE"), behind=True)
    _, [meant] = await passed(env, "/files/a", (name, b"DELETE"), forward={name.decode()})

    assert (name, b"DELETE") not in asked.headers
    assert (name, b"DELETE") in meant.headers


async def test_connection_level_fields_end_here(env: Env) -> None:
    """H1: those that Connection names too, but for ours and those that decide identity."""
    fields = (
        (b"connection", b"x-mine, X-Forwarded-For, authorization"),
        (b"x-mine", b"1"),
        (b"keep-alive", b"1"),
        (b"te", b"trailers"),
        (b"upgrade", b"h2c"),
        (b"authorization", b"Bearer a"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"expect", b"100-continue"),
    )
    _, [asked] = await passed(env, "/", *fields, forward={"authorization"})

    assert asked.headers == (
        (b"x-forwarded-for", b"203.0.113.9, 192.0.2.1"),
        (b"authorization", b"Bearer a"),
    )


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"x-api-key", b"proxy-authorization"])
async def test_credentials_end_here_unless_forwarded(env: Env, name: bytes) -> None:
    """T4: a single cookie may go on, without the others."""
    said = b"sid=1; _ga=2"
    _, [hidden] = await passed(env, "/", (name, said))
    _, [forwarded] = await passed(env, "/", (name, said), forward={name.decode()})
    _, [crumb] = await passed(env, "/", (name, said), forward={Cookie("sid")})

    assert dict(hidden.headers).get(name) is None
    assert dict(forwarded.headers)[name] == said
    assert dict(crumb.headers).get(name) == (b"sid=1" if name == b"cookie" else None)


@pytest.mark.parametrize("name", [b"x-tenant", b"x_tenant"])
async def test_t3_what_a_service_is_sent_with_every_call_is_no_clients_to_write(
    env: Env, name: bytes
) -> None:
    """T3: the reference says that `headers` are sent with every call, and a passage makes calls too."""
    _, [asked] = await passed(env, "/files/a", (name, b"theirs"), headers={"X-Tenant": "ours"})

    assert [said for one, said in asked.headers if one in {b"x-tenant", b"x_tenant"}] == [b"ours"]


async def test_a_request_that_was_here_before_is_refused(env: Env) -> None:
    """H3: after one round; another gateway's name is no loop."""
    loop, none = await passed(env, "/", (b"via", b"1.1 edge, 1.1 shop (x)"))
    fine, _ = await passed(env, "/", (b"via", b"1.1 shopping"))

    assert (loop.status, none, fine.status) == (508, [], 200)


async def test_an_answer_comes_as_it_is(env: Env) -> None:
    """H1 on the way back: its own connection-level fields end here, all lines of the others pass."""
    answer = HttpResponse(
        status=418,
        headers=(
            (b"content-type", b"text/tea"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"connection", b"x-private"),
            (b"x-private", b"1"),
            (b"via", b"1.1 x"),
            (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT"),
            (b"etag", b'"e"'),
        ),
        body=b"short",
    )
    said, _ = await passed(env, "/", answer=answer)

    assert (said.status, said.body) == (418, b"short")
    assert [said.header(name) for name in (b"content-type", b"etag", b"x-private", b"date")] == [
        b"text/tea",
        b'"e"',
        None,
        None,  # the server in front of us says it, once
    ]
    assert [value for name, value in said.headers if name == b"set-cookie"] == [b"a=1", b"b=2"]


@pytest.mark.parametrize("status", [200, 201, 204, 301, 304, 404, 429, 500, 503])
async def test_the_services_own_status_passes(env: Env, status: int) -> None:
    """H6: redirects are not followed (T1), conditional requests answered by who knows."""
    answer = HttpResponse(status=status, headers=((b"etag", b'"a"'), (b"location", b"http://x/")))
    said, asked = await passed(env, "/", answer=answer, policies=())

    assert (said.status, said.header(b"location"), len(asked)) == (status, b"http://x/", 1)


async def test_head_has_the_length_of_the_body_it_does_not_have(env: Env) -> None:
    """RFC 9110 9.3.2: the fields of a GET."""
    answer = HttpResponse(status=200, headers=((b"content-length", b"7"),), body=b"")
    said, [asked] = await passed(env, "/", method="HEAD", answer=answer)

    lengths = [value for name, value in said.headers if name == b"content-length"]
    assert (asked.method, said.status, lengths) == ("HEAD", 200, [b"7"])


async def test_a_body_that_comes_in_chunks_leaves_in_chunks(env: Env) -> None:
    """G10: streamed both ways, and given back at the end."""
    body = Body(b"one", b"two")
    answer = HttpResponse(status=200, headers=((b"content-length", b"6"),), stream=body)
    said, _ = await passed(env, "/files/x", answer=answer)

    assert (said.body, said.header(b"content-length"), body.closed) == (b"onetwo", b"6", 1)


@pytest.mark.parametrize("length", [b"3", b"0" * 9_000 + b"3", None], ids=["known", "with zeros", "unknown"])
async def test_an_upload_goes_on(env: Env, length: bytes | None) -> None:
    """Of known length, or in chunks; the length itself is written by each hop."""
    field = (b"transfer-encoding", b"chunked") if length is None else (b"content-length", length)
    said, [asked] = await passed(env, "/files/x", field, method="PUT", body=b"abc")

    assert (said.status, asked.method) == (200, "PUT")
    assert isinstance(asked.body, bytes) == (length is not None)
    assert {name for name, _ in asked.headers} == {b"x-forwarded-for"}


@pytest.mark.parametrize("field", [(b"content-length", b"101"), (b"transfer-encoding", b"chunked")])
async def test_an_upload_over_the_limit_is_refused(env: Env, field: tuple[bytes, bytes]) -> None:
    """413: by what it says before it is read, else where it passes the bound."""
    said, _ = await passed(env, "/files/x", field, method="PUT", body=b"a" * 101)

    assert said.status == 413


async def test_a_method_that_is_not_let_through_is_405(env: Env) -> None:
    """Only what is named passes."""
    said, asked = await passed(env, "/avatars/a", method="PUT")

    assert (said.status, said.header(b"allow"), asked) == (405, b"GET, HEAD", [])


@pytest.mark.parametrize("sent", [0, 1])
async def test_a_client_that_leaves_gives_the_connection_back(env: Env, sent: int) -> None:
    """X1: before the first byte of the body, or in the middle of it."""
    body = Body(*[b"chunk"] * sent, stuck=True)
    service = Files(HttpResponse(status=200, headers=(), stream=body))
    async with files().build(env, transports={"files": service}) as running:
        leaving = asyncio.ensure_future(Client(running).ask("/files/x"))
        for _ in range(30):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])

        assert (body.given, body.closed) == (sent, 1)


async def test_an_answer_whose_head_cannot_be_sent_gives_the_connection_back(env: Env) -> None:
    """X1: the client is gone when the head is written."""
    body = Body(b"x")
    service = Files(HttpResponse(status=200, headers=(), stream=body))

    async def receive() -> dict[str, Any]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def send(message: Any) -> None:
        raise ConnectionError

    async with files().build(env, transports={"files": service}) as running:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
            "client": None,
        }
        with pytest.raises(ConnectionError):
            await running(scope, receive, send)

        assert (body.given, body.closed) == (0, 1)


async def test_a_service_that_cannot_be_reached_is_a_problem_of_ours() -> None:
    """H6, R1: 503 or 504; a POST is tried once, a GET again."""
    app = files()
    [service] = app.services
    async with Stage(app) as stage:
        stage[service].fails()
        refused = [(await stage.get("/files/x")).status, (await stage.post("/files/x")).status]
        stage[service].hangs()
        late = (await stage.delete("/files/x")).status

        assert (refused, late) == ([503, 503], 504)
        assert [one.method for one in stage[service].asked].count("POST") == 1


def test_a_passage_names_what_its_path_has() -> None:
    """At start, with what was meant."""
    app = Gateway("shop")
    app.proxy("/a/{name}", app.service("files"), to="/b/{nam}")

    with pytest.raises(ConfigError, match=r"test_passages\.py:\d+: to= names 'nam', .*did you mean 'name'"):
        app.inspected()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"methods": {"TRACE"}}, "methods is a set of"),
        ({"limit": 0}, "limit=0 is bytes"),
        ({"deadline": 165}, "deadline=165"),
    ],
)
def test_a_passage_that_cannot_work_is_refused(options: dict[str, Any], words: str) -> None:
    """Where it is declared."""
    app = Gateway("shop")

    with pytest.raises(ConfigError, match=r"test_passages\.py:\d+: ") as caught:
        app.proxy("/a", app.service("files"), **options)

    assert words in str(caught.value)


def test_a_passage_leads_to_a_path() -> None:
    """At start: `to` begins with a slash."""
    app = Gateway("shop")
    app.proxy("/a", app.service("files"), to="b")

    with pytest.raises(ConfigError, match=r"test_passages\.py:\d+: to='b': a path begins with a slash"):
        app.inspected()


async def test_a_rest_that_begins_with_a_slash_leads_nowhere_else(env: Env) -> None:
    """T8: `//host` would be an address to whoever reads it as one."""
    app = Gateway("shop")
    app.proxy("/x/{rest:path}", app.service("files"), to="/{rest}")
    service = Files(HttpResponse(status=200, headers=()))
    async with app.build(env, transports={"files": service}) as running:
        said = await Client(running).ask("/x//evil.example/a")

        assert (said.status, service.asked) == (400, [])


class Both(Files):
    """A service that answers nobody before two have asked."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__(answer)
        self.two = asyncio.Event()

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked.append(call.payload)
        if len(self.asked) == 2:
            self.two.set()
        await self.two.wait()
        return self.answer


async def test_k5_who_passes_waits_for_nobody_who_asks_the_same(env: Env) -> None:
    """K5: a stream belongs to one reader, so there is nothing to wait for; each goes on at once."""
    service = Both(HttpResponse(status=200, body=b"png"))
    async with files().build(env, transports={"files": service}) as running:
        client = Client(running)
        said = await asyncio.gather(*(client.ask("/files/x") for _ in range(2)))

    assert [(one.status, one.body) for one in said] == [(200, b"png")] * 2


async def test_who_leaves_while_tags_are_dropped_leaves_no_stream_behind() -> None:
    """X1: the answer had come, and nobody was there any more to close it."""
    body = Body(b"x", stuck=True)

    class Leaving(Files):
        async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)
            return await super().send(call)

    app = Gateway("shop")
    service = app.service("files", policies=[], coalesce=False)
    app.proxy("/files/{name}", service, methods={"PUT"}, purges=["file:{name}"])
    answer = HttpResponse(status=200, headers=((b"content-type", b"text/plain"),), stream=body)
    async with app.build(transports={"files": Leaving(answer)}) as running:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(Client(running).ask("/files/a", method="PUT"))

    assert body.closed > 0


async def test_hc10_tags_that_a_service_names_in_several_lines_are_dropped_all(env: Env) -> None:
    """RFC 9110 5.3: lines of one field are one list; what the second named was kept."""
    lines = ((b"removed", b"thing:a"), (b"removed", b"thing:b, thing:c"))
    service = Files(HttpResponse(status=200, headers=lines))
    app = Gateway("shop")
    app.proxy("/things", app.service("things"), methods={"POST"}, purge_field="Removed")
    async with app.build(env, transports={"things": service}) as running:
        store = running.stores.near
        for name in ("a", "b", "c", "d"):
            key = name.encode()
            store.set(Entry(key, b"", 60.0, "raw", (tag(f"thing:{name}"),)), store.purges.mark)
        said = await Client(running).ask("/things", method="POST")
        kept = [name for name in ("a", "b", "c", "d") if store.find(name.encode()) is not None]

    assert (said.status, said.header(b"removed"), kept) == (200, None, ["d"])


async def test_hc10_tags_that_an_answer_names_are_dropped_whatever_else_is_wrong_with_it(env: Env) -> None:
    """The write was done, and only its answer was none that was promised: what it named stayed kept."""
    operation = Operation(summary="Remove a thing", status=204)
    service = Files(HttpResponse(status=200, headers=((b"removed", b"thing:a"),)))
    app = Gateway("shop")
    app.proxy(
        "/things", app.service("things"), methods={"DELETE"}, purge_field="Removed", operation=operation
    )
    async with app.build(env, transports={"things": service}) as running:
        store = running.stores.near
        store.set(Entry(b"a", b"", 60.0, "raw", (tag("thing:a"),)), store.purges.mark)
        said = await Client(running).ask("/things", method="DELETE")

    assert (said.status, store.find(b"a")) == (502, None)


class Slow(Files):
    """A service that has done it, and answers when it may."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response)
        self.done = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.done.set()
        await self.may_answer.wait()
        return await super().send(call)


async def test_hc10_what_a_write_removed_is_dropped_though_its_client_has_left(env: Env) -> None:
    """A picture was shown for a day after its removal: with its client the answer was gone that names it."""
    body = Body(b"gone")
    service = Slow(HttpResponse(status=200, headers=((b"removed", b"thing:a"),), stream=body))
    app = Gateway("shop")
    app.proxy("/things", app.service("things"), methods={"DELETE"}, purge_field="Removed")
    async with app.build(env, transports={"things": service}) as running:
        store = running.stores.near
        store.set(Entry(b"a", b"", 60.0, "raw", (tag("thing:a"),)), store.purges.mark)
        asked = asyncio.create_task(Client(running).ask("/things", method="DELETE"))
        await service.done.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        service.may_answer.set()
        await settle()

    assert (store.find(b"a"), body.closed) == (None, 1)


async def test_a_401_carries_every_challenge_of_its_service(env: Env) -> None:
    """RFC 9110 11.6.1: one a line; whoever cannot use the first may know another."""
    lines = ((b"www-authenticate", b"Negotiate"), (b"www-authenticate", b'Basic realm="x"'))
    app = Gateway("shop")
    things = app.service("things", forward={"authorization"})

    @app.get("/thing", vary={"authorization"})
    async def thing() -> dict[str, str]:
        return await things.get(dict[str, str], "/")

    refusing = Refusing(HttpResponse(status=401, headers=lines))
    async with app.build(env, transports={"things": refusing}) as running:
        said = await Client(running).ask("/thing", headers=((b"authorization", b"Bearer a"),))

    assert (said.status, said.header(b"www-authenticate")) == (401, b'Negotiate, Basic realm="x"')
