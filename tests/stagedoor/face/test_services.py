"""The typed client: what goes out, what an answer means, and answers taken as they come."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from stagedoor import Cache, Gateway
from stagedoor._events import AttemptEnded
from stagedoor.errors import UpstreamGarbled, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing import Stage


class Item(BaseModel):
    sku: str
    qty: int = Field(default=1, alias="quantity")


app = Gateway("shop", deadline=1.0)
items = app.service("items", headers={"X-Static": "s", "accept": "application/vnd.shop+json"})
plain = app.service("plain", coalesce=False)
untyped: Any = items  # for what a type checker refuses
app.proxy("/items", items)
app.proxy("/plain", plain)


async def test_a_call_says_what_it_wants_and_sends() -> None:
    """Path, query, fields, body: models by their aliases."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].says({"sku": "a", "quantity": 2})
        made = await stage.run(
            items.put(
                Item,
                "/items/{}",
                "a/b",
                json={"items": [Item(sku="a", quantity=3)]},
                query={"dry": True},
                headers={"If-Match": "*"},
            )
        )
        [asked] = stage[items].asked

        assert made == Item(sku="a", quantity=2)
        assert (asked.method, asked.path) == ("PUT", "/items/a%2Fb?dry=true")
        assert asked.body == b'{"items":[{"sku":"a","quantity":3}]}'
        assert dict(asked.headers) == {
            "if-match": "*",
            "x-static": "s",
            "accept": "application/vnd.shop+json",
            "content-type": "application/json",
        }


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
async def test_the_operation_is_the_template(verb: str) -> None:
    """Metrics are bounded: no value ever is a label."""
    body: dict[str, Any] = {} if verb in {"get", "delete"} else {"json": {}}
    async with Stage(app) as stage, stage.running.request():
        stage[items].says({"sku": "a"})
        await stage.run(getattr(items, verb)(Item, "/items/{}", "secret", **body))
        [ended] = stage.events.of(AttemptEnded)

        assert ended.operation == f"items.{verb.upper()} /items/{{}}"


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
async def test_an_answer_that_nobody_wants_may_be_anything(verb: str) -> None:
    """`None` in place of a type: 204, or a page of HTML."""
    body: dict[str, Any] = {} if verb == "delete" else {"json": {}}
    async with Stage(app) as stage, stage.running.request():
        stage[items].says(status=204).says(b"<p>", headers={"content-type": "text/html"})
        said = [await stage.run(getattr(items, verb)(None, "/x", **body)) for _ in range(2)]

        assert said == [None, None]


@pytest.mark.parametrize("status", [404, 410, 204])
async def test_absent_is_what_nothing_means(status: int) -> None:
    """P8: an answer, told once; without it an error."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].says(status=status)
        absent = Item(sku="none")

        assert await stage.run(items.get(Item, "/x", absent=absent)) is absent
        with pytest.raises((UpstreamRejected, UpstreamGarbled)):
            await stage.run(items.get(Item, "/x"))


async def test_a_part_is_no_whole_however_whole_it_looks() -> None:
    """T18, RFC 9110 15.3.7: nobody has asked for a range, and what is missing would be kept as missing."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].says({"sku": "a"}, status=206)

        with pytest.raises(UpstreamGarbled, match="answered 206: it is a part"):
            await stage.run(items.get(Item, "/x"))


async def test_absent_stands_in_for_no_failure() -> None:
    """P8: an outage is none, and neither is a refusal."""
    async with Stage(app) as stage, stage.running.request():
        for status in (400, 403, 500):
            stage[items].fails(status)
            with pytest.raises((UpstreamRejected, UpstreamUnavailable)):
                await stage.run(items.get(Item, f"/{status}", absent=Item(sku="none")))


async def test_absent_none_is_an_absent() -> None:
    """None is a value like any other where the type says so."""
    shape: TypeAdapter[Item | None] = TypeAdapter(Item | None)
    async with Stage(app) as stage, stage.running.request():
        stage[items].fails(404)

        assert await stage.run(items.get(shape, "/x", absent=None)) is None


async def test_equal_questions_at_once_are_asked_once_and_share_no_value() -> None:
    """K5: each gets a value of its own: a change of one is not seen by the other."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].after(0.1).says([{"sku": "a"}])
        one, other = await stage.run(asyncio.gather(*[items.get(list[Item], "/x") for _ in range(2)]))
        one[0].sku = "changed"

        assert (len(stage[items].asked), other[0].sku) == (1, "a")


async def test_joining_can_be_left_out() -> None:
    """`coalesce=False`; an unsafe call is never joined, a safe question in a body is."""
    async with Stage(app) as stage, stage.running.request():
        stage[plain].after(0.1).says({"sku": "a"})
        stage[items].after(0.1).says({"sku": "a"})
        await stage.run(asyncio.gather(*[plain.get(Item, "/x") for _ in range(2)]))
        await stage.run(asyncio.gather(*[items.post(Item, "/x", json={}) for _ in range(2)]))
        await stage.run(asyncio.gather(*[items.post(Item, "/x", json={}, safe=True) for _ in range(2)]))
        await stage.run(asyncio.gather(*[items.post(Item, "/x", json={"a": n}, safe=True) for n in range(2)]))

        assert (len(stage[plain].asked), len(stage[items].asked)) == (2, 5)


@pytest.mark.parametrize("raw", [False, True])
async def test_k5_writes_are_never_joined(raw: bool) -> None:
    """Another may come between two equal ones: the second was told it was done, and what stood was the other's."""

    async def put(sku: str) -> None:
        if raw:
            await items.request("PUT", "/x", body=sku.encode())
        else:
            await items.put(None, "/x", json={"sku": sku})

    async with Stage(app) as stage, stage.running.request():
        stage[items].after(0.1).says(status=204).after(0.01).says(status=204)
        first = asyncio.ensure_future(put("a"))
        await stage.advance(0.02)
        await stage.run(put("b"))
        await stage.run(asyncio.gather(put("a"), first))

        assert [b"a" in one.body for one in stage[items].asked] == [True, False, True]


@pytest.mark.parametrize("cache", [None, Cache(max_age=60)])
async def test_k5_an_answer_that_sets_a_cookie_is_given_to_nobody_else(cache: Cache | None) -> None:
    """K5: a service gave each visitor a session, and who asked in the same moment, or later, was given the first's."""
    app = Gateway("shop", deadline=1.0)
    visits = app.service("visits", cache=cache)

    @app.get("/visit")
    async def visit() -> int:
        return await visits.get(int, "/")

    async with Stage(app) as stage, stage.running.request():
        script = stage[visits]
        for number in range(4):
            script.after(0.1).says(1, headers={"set-cookie": f"sid={number}"})
        asked = (visits.request("GET", "/", headers={"accept": "application/json"}) for _ in range(2))
        typed = [asyncio.ensure_future(visits.get(int, "/")) for _ in range(2)]
        both = await stage.run(asyncio.gather(*asked))
        later = await stage.run(visits.request("GET", "/", headers={"accept": "application/json"}))
        for one in typed:
            await one

        assert len({one.headers["set-cookie"] for one in (*both, later)}) == 3
        assert len(script.asked) == 4  # values have no fields: those are joined


async def test_only_what_may_be_repeated_is_repeated() -> None:
    """R1: a POST once, unless it is a question."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].fails()
        for work in (
            items.get(Item, "/a"),
            items.post(Item, "/b", json={}),
            items.post(Item, "/c", json={}, safe=True),
        ):
            with pytest.raises(UpstreamUnavailable):
                await stage.run(work)

        assert [one.path for one in stage[items].asked] == ["/a", "/a", "/b", "/c", "/c"]


async def test_a_call_can_keep_its_answer() -> None:
    """A cache per call: by everything that is sent, and the value is the taker's own."""
    kept = Cache(max_age=60)
    async with Stage(app) as stage, stage.running.request():
        stage[items].says([{"sku": "a"}])
        for query in ({"a": 1}, {"a": 1}, {"a": 2}):
            found = await stage.run(items.get(list[Item], "/x", query=query, cache=kept))
            found.clear()
        await stage.run(items.get(list[Item], "/x", query={"a": 1}))

        assert [one.path for one in stage[items].asked] == ["/x?a=1", "/x?a=2", "/x?a=1"]


async def test_an_answer_that_was_kept_is_read_as_another_type() -> None:
    """What is kept is the answer as it came."""
    kept = Cache(max_age=60)
    async with Stage(app) as stage, stage.running.request():
        stage[items].says({"sku": "a"})
        one = await stage.run(items.get(Item, "/x", cache=kept))
        other = await stage.run(items.get(dict[str, str], "/x", cache=kept))

        assert (one.sku, other, len(stage[items].asked)) == ("a", {"sku": "a"}, 1)


@pytest.mark.parametrize("status", [200, 302, 404, 409, 429, 500])
async def test_a_request_brings_the_answer_as_it_came(status: int) -> None:
    """Whatever its status: fields in lines, the body in bytes."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].says({"sku": "a"}, status=status, headers={"ETag": '"e"'})
        answer = await stage.run(items.request("GET", "/x/{}", 1, query={"a": "b"}))

        assert (answer.status, answer.headers["etag"], answer.body) == (status, '"e"', b'{"sku":"a"}')
        assert answer.read(Item) == Item(sku="a")
        assert stage[items].asked[-1].path == "/x/1?a=b"


async def test_a_response_that_is_something_else_is_garbled() -> None:
    """`read` is as strict as `get`."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].says({"sku": 1})
        answer = await stage.run(items.request("GET", "/x"))

        with pytest.raises(UpstreamGarbled, match=r"items\.GET /x: it is no Item: at sku: "):
            answer.read(Item)


async def test_a_request_that_brings_none_is_an_error() -> None:
    """Refused, or too late."""
    async with Stage(app) as stage, stage.running.request():
        stage[items].fails().fails().hangs()
        with pytest.raises(UpstreamUnavailable):
            await stage.run(items.request("GET", "/x"))
        with pytest.raises(UpstreamTimeout):
            await stage.run(items.request("PUT", "/x", body=b"abc"))

        assert stage[items].asked[-1].body == b"abc"


async def test_a_stream_brings_chunks() -> None:
    """And the fields before them; a body may be sent in chunks too."""

    async def chunks() -> Any:
        yield b"a"
        yield b"b"

    async def read() -> tuple[int, str, list[bytes]]:
        async with items.stream("POST", "/x", body=chunks()) as answer:
            return answer.status, answer.headers["content-type"], [chunk async for chunk in answer]

    async with Stage(app) as stage, stage.running.request():
        stage[items].says(b"abc", status=404)

        assert await stage.run(read()) == (404, "application/json", [b"abc"])
        assert stage[items].asked[0].body == b"ab"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: untyped.get("Item", "/x"), "'Item' is no type"),
        (lambda: untyped.get(None, "/x"), "None is no type"),
        (lambda: untyped.get(Item, "/x", "1"), "'/x' takes 0 segments, 1 given"),
        (lambda: untyped.get(Item, "/x?a=1"), "query="),
        (lambda: untyped.get(Item, "/x", headers={"a": 1}), "header 'a' is int, not str"),
        (lambda: untyped.post(Item, "/x", json=object()), "json: "),
        (lambda: untyped.request("PUT", "/x", body="text"), "body is bytes, not str: encode it"),
        (
            lambda: untyped.request("PUT", "/x", body={"a": 1}),
            "body is bytes or an async iterator of bytes, not dict: post, put and patch write values, by json=",
        ),
        (lambda: untyped.get(Item, "/x", query="a=1"), 'query is a mapping, as in {"page": 2}, not str'),
        (
            lambda: untyped.get(Item, "/x", query=[("a", 1)]),
            "not list: give a list to repeat a name, as in {'sku': ['a', 'b']}",
        ),
        (
            lambda: untyped.get(Item, "/x", query=Item(sku="a")),
            "not Item: say model_dump(by_alias=True, exclude_none=True)",
        ),
        (lambda: untyped.get(Item, "/x", query={1: "a"}), "query: a name is a str, not 1"),
        (lambda: untyped.request("get", "/x"), "methods are written in capitals: 'GET'"),
        (lambda: untyped.get(app, "/x"), "cannot be read from JSON"),
        (lambda: untyped.get([Item], "/x"), "is no type"),
    ],
)
async def test_a_mistake_in_a_call_is_a_type_error_at_once(call: Any, words: str) -> None:
    """Never "the service made no sense": nothing was sent."""
    async with Stage(app) as stage, stage.running.request():
        with pytest.raises(TypeError) as caught:
            await stage.run(call())

        assert words in str(caught.value)
        assert not stage[items].asked


async def test_outside_a_request_a_service_says_what_to_write() -> None:
    """The remedy, not a lookup error of a context variable."""
    with pytest.raises(RuntimeError, match=r"async with app\.running\(\) as running, running\.request\(\)"):
        await items.get(Item, "/x")


async def test_a_service_of_another_gateway_is_told_by_name() -> None:
    """Two gateways in one process: a service belongs to one."""
    other = Gateway("other")
    with pytest.raises(RuntimeError, match="'items' belongs to another gateway than 'other'"):
        async with other.build(transports={}) as running, running.request():
            await items.get(Item, "/x")
