"""The body of a request: what it must say of itself, how large it may be, what is wrong in it."""

import gzip
import time
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from stagedoor import Gateway, Header
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, Reply, Stage

JSON = (b"content-type", b"application/json")


class Item(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=1)] = 1


class Order(BaseModel):
    items: list[Item]


def shop(seen: list[object]) -> Gateway:
    app = Gateway("shop")

    @app.post("/orders", status=201, limit=200)
    async def order(order: Order, note: str = "", if_match: Annotated[str, Header()] = "*") -> Order:
        seen.append((order, note, if_match))
        return order

    @app.put("/items")
    async def items(items: list[Item]) -> None:
        seen.append(items)

    @app.patch("/loose")
    async def loose(said: dict[str, int]) -> dict[str, int]:
        return said

    return app


async def send(
    body: bytes, *fields: tuple[bytes, bytes], target: str = "/orders", method: str = "POST"
) -> Reply:
    async with Stage(shop([])) as stage:
        client = Client(stage.running)
        return Reply(await stage.run(client.ask(target, method=method, headers=fields, body=body)))


async def test_a_body_is_read_beside_inputs() -> None:
    """A model is the body, all else an input; `status` is that of success."""
    seen: list[object] = []
    async with Stage(shop(seen)) as stage:
        answer = await stage.post("/orders?note=n", {"items": [{"sku": "a"}]}, if_match="x")

        assert (answer.status, answer.read(Order)) == (201, Order(items=[Item(sku="a")]))
        assert seen == [(Order(items=[Item(sku="a")]), "n", "x")]


async def test_a_list_of_models_is_a_body_too_and_nothing_is_204() -> None:
    """None has no body, and no content type."""
    answer = await send(b'[{"sku":"a","qty":2}]', JSON, target="/items", method="PUT")

    assert (answer.status, answer.body, answer.header("content-type")) == (204, b"", "")


@pytest.mark.parametrize(
    "kind", [b"application/json; charset=utf-8", b"application/vnd.shop+json", b"APPLICATION/JSON"]
)
async def test_json_has_more_than_one_name(kind: bytes) -> None:
    """RFC 6839 3.1, RFC 9110 8.3.1; a BOM in front is no fault worth a refusal (RFC 8259 8.1)."""
    answer = await send(b'\xef\xbb\xbf{"items":[]}', (b"content-type", kind))

    assert answer.status == 201


@pytest.mark.parametrize("fields", [(), ((b"content-type", b"text/plain"),), ((b"content-type", b"json"),)])
async def test_a_body_of_another_kind_is_415(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """It says what would be right, and the handler never ran."""
    answer = await send(b'{"items":[]}', *fields)

    assert answer.status == 415
    assert "application/json" in answer.read(dict[str, Any])["detail"]


async def test_a_body_in_a_coding_is_415_with_what_is_taken() -> None:
    """RFC 9110 12.5.3, 15.5.16: a packed body was "no JSON" (400), which it is; `identity` is no coding."""
    packed = await send(gzip.compress(b'{"items":[]}'), JSON, (b"content-encoding", b"gzip"))
    plain = await send(b'{"items":[]}', JSON, (b"content-encoding", b"Identity"))
    twice = await send(b"", JSON, (b"content-encoding", b"gzip"), (b"content-encoding", b"identity"))

    assert (packed.status, packed.header("accept-encoding")) == (415, "identity")
    assert twice.status == 415  # lines of one field are one list
    assert "Content-Encoding" in packed.read(dict[str, Any])["detail"]
    assert plain.status == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[1,]", b'{"items":[]}x', b"\xff", b'{"items":NaN'])
async def test_what_is_no_json_is_400(body: bytes) -> None:
    """A7: broken syntax is another thing than a wrong value."""
    answer = await send(body, JSON)

    assert answer.status == 400
    assert "the body is not JSON" in answer.read(dict[str, Any])["detail"]


@pytest.mark.parametrize(
    ("body", "locs"),
    [
        (b"[]", [["body"]]),
        (b"{}", [["body", "items"]]),
        (
            b'{"items":[{"qty":0},{"sku":1}]}',
            [["body", "items", "0", "sku"], ["body", "items", "0", "qty"], ["body", "items", "1", "sku"]],
        ),
    ],
)
async def test_a_wrong_value_is_422_with_each_place(body: bytes, locs: list[list[str]]) -> None:
    """Every fault has its row, and no row shows what was sent."""
    answer = await send(body, JSON)

    assert answer.status == 422
    assert [one["loc"] for one in answer.read(dict[str, Any])["errors"]] == locs


@pytest.mark.parametrize(
    "body", [b'{"rate":NaN}', b'{"rate":Infinity}', b'{"rate":-1e999}', b'{"rate":1,"more":[{"x":NaN}]}']
)
async def test_a_number_that_json_does_not_have_is_422(body: bytes) -> None:
    """A7, CONTRACTS: NaN and infinities are well-formed enough to be named, and wrong wherever they stand."""

    class Loose(BaseModel):
        rate: float
        more: Any = None

    app = Gateway("shop")

    @app.post("/loose")
    async def loose(said: Loose) -> Loose:
        return said

    async with Stage(app) as stage:
        client = Client(stage.running)
        answer = Reply(await stage.run(client.ask("/loose", method="POST", headers=(JSON,), body=body)))

        assert answer.status == 422
        assert answer.read(dict[str, Any])["errors"][0]["loc"] == ["body"]


@pytest.mark.parametrize("digits", [400, 1_000])
async def test_a_large_integer_in_a_body_arrives_exactly(digits: int) -> None:
    """P6."""
    app = Gateway("shop")

    @app.post("/loose")
    async def loose(said: dict[str, int]) -> dict[str, int]:
        return said

    wanted = b'{"a":%d}' % int("7" * digits)
    async with Stage(app) as stage:
        client = Client(stage.running)
        answer = await stage.run(client.ask("/loose", method="POST", headers=(JSON,), body=wanted))

        assert answer.body == wanted


@pytest.mark.parametrize("count", [100, 101, 20_000])
async def test_t13_a_body_that_is_wrong_everywhere_costs_no_more_than_it_says(count: int) -> None:
    """T13: a megabyte was wrong in a million places; telling each took seconds, and a hundred megabytes."""
    app = Gateway("shop")

    @app.post("/items")
    async def items(items: list[Item]) -> None:
        raise AssertionError(items)

    async with Stage(app) as stage:
        answer = await stage.post("/items", [{}] * count)

    told = answer.read(dict[str, Any])["errors"]
    assert (answer.status, len(answer.body) < 12_000) == (422, True)
    if count == 100:
        assert [one["loc"] for one in told] == [["body", str(at), "sku"] for at in range(100)]
    else:
        assert len(told) == (101 if count == 101 else 1)
        assert told[-1] == {
            "loc": ["body"],
            "msg": f"is wrong in {count:,} places, which are not all told",
            "type": "too_many_faults",
        }


async def test_t13_a_large_list_is_told_by_its_first_wrong_member() -> None:
    """T13: each fault was noted at half a kilobyte, more than a gigabyte for one megabyte of empty objects."""
    app = Gateway("shop")

    class Wide(BaseModel):
        type: int
        b: int
        c: dict[str, Item]
        d: list[Item] = []

    @app.post("/wide")
    async def wide(wide: list[Wide]) -> int:
        return sum(one.type for one in wide)

    good = {"type": 1, "b": 2, "c": {"x": {"sku": "a"}}, "d": [{"sku": "b"}]}
    async with Stage(app) as stage:
        summed = await stage.post("/wide", [good] * 10_000)
        start = time.process_time()
        empty = await stage.post("/wide", [good] + [{}] * 250_000)
        took = time.process_time() - start
        nested = await stage.post("/wide", [good, good | {"d": [{"sku": 1}] * 40_000}])

    assert (summed.status, summed.body) == (200, b"10000")
    assert [one["loc"] for one in empty.read(dict[str, Any])["errors"]] == [
        ["body", "1", name] for name in ("type", "b", "c")
    ]
    assert [one["loc"] for one in nested.read(dict[str, Any])["errors"]] == [["body", "1", "d", "0", "sku"]]
    assert took < 1.0


async def test_wrong_inputs_are_refused_before_the_body_is_read() -> None:
    """The cheap look comes first."""
    app = Gateway("shop")

    @app.post("/orders")
    async def order(order: Order, page: int) -> Order:
        return order

    async with Stage(app) as stage:
        answer = await stage.post("/orders?page=x", {"items": 1})

        assert [one["loc"] for one in answer.read(dict[str, Any])["errors"]] == [["query", "page"]]


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    """413 before the first byte: nobody had to send it."""
    received: list[object] = []
    async with Stage(shop([])) as stage:

        async def receive() -> dict[str, object]:
            received.append(1)
            raise AssertionError("it was read")

        said = await exchange(stage, receive, (b"content-length", b"201"))

        assert (said, received) == (413, [])


@pytest.mark.parametrize(
    ("length", "status"),
    [(b"0" * 9_000 + b"24", 201), (b"0" * 9_000 + b"201", 413)],
    ids=["within", "beyond"],
)
async def test_a_length_with_zeros_in_front_is_the_number_it_says(length: bytes, status: int) -> None:
    """RFC 9110 8.6: as many digits as there is room for; Python reads 4,300, and the client was answered 500."""
    async with Stage(shop([])) as stage:

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b'{"items": [{"sku": "a"}]}'}

        said = await exchange(stage, receive, (b"content-length", length))

    assert said == status


async def test_a_body_that_becomes_too_large_is_refused_on_the_way() -> None:
    """Chunked: it stops at the bound, not at the end."""
    received: list[object] = []
    async with Stage(shop([])) as stage:

        async def receive() -> dict[str, object]:
            received.append(1)
            return {"type": "http.request", "body": b" " * 60, "more_body": True}

        said = await exchange(stage, receive)

        assert (said, len(received)) == (413, 4)


async def exchange(stage: Stage, receive: Any, *fields: tuple[bytes, bytes]) -> int:
    """Post to /orders by hand; return the status."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "headers": [JSON, *fields],
        "client": ("192.0.2.1", 1),
    }
    await stage.run(stage.running(scope, receive, send))
    return int(sent[0]["status"])


async def test_the_document_tells_the_body_and_its_refusals() -> None:
    """G9: the schema, and 400, 413, 415, 422 beside the usual ones."""
    async with Stage(shop([])) as stage:
        document = (await stage.get("/openapi.json")).read(dict[str, Any])

        operation = document["paths"]["/orders"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Order"}
        assert {"201", "400", "413", "415", "422"} <= set(operation["responses"])


def test_a_request_has_one_body() -> None:
    """Two models, or a model where there is no body, are errors at start."""
    app = Gateway("shop")

    @app.post("/two")
    async def two(a: Item, b: Order) -> None: ...

    other = Gateway("shop")

    @other.get("/one")
    async def one(a: Item) -> None: ...

    with pytest.raises(
        ConfigError, match=r"test_bodies\.py:\d+: POST /two: 'a', 'b': a request has one body"
    ):
        app.inspected()
    with pytest.raises(ConfigError, match=r"test_bodies\.py:\d+: GET /one: 'a': GET has no body"):
        other.inspected()


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (b'{"secret": "x"}', ["body", "*"]),
        (b'{"qty": "x"}', ["body", "*"]),  # a table's keys are nobody's names
        (b"[" * 900 + b"1" + b"]" * 900, []),
    ],
)
async def test_t15_a_problem_repeats_no_name_that_the_client_made_up(body: bytes, loc: list[str]) -> None:
    """T15: a body is data of the client's; places in it are told by the names that its type declares."""
    reply = await send(body, JSON, target="/loose", method="PATCH")
    said = reply.read(dict[str, Any])

    assert reply.status == (422 if loc else 400)
    assert [one["loc"] for one in said.get("errors", [])] == ([loc] if loc else [])


async def test_a_body_with_a_default_may_be_left_out() -> None:
    """It was 415; documents say that nobody has to send one, and nobody may change what the next one gets."""
    app = Gateway("shop")

    @app.post("/orders")
    async def order(order: Order = Order(items=[])) -> int:  # noqa: B008 - an immutable default of the declaration
        order.items.append(Item(sku="a"))
        return len(order.items)

    @app.put("/orders")
    async def replaced(order: Order | None = None) -> bool:
        return order is None

    async with Stage(app) as stage:
        told = [(await stage.post("/orders")).read(int) for _ in range(2)]
        none = (await stage.put("/orders")).read(bool)
        given = (await stage.post("/orders", {"items": [{"sku": "b"}]})).read(int)
        document = (await stage.get("/openapi.json")).read(dict[str, Any])

    assert (told, none, given) == ([1, 1], True, 2)
    assert document["paths"]["/orders"]["post"]["requestBody"]["required"] is False
