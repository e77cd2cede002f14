"""Where a screen's and a handler's arguments come from, and what a client hears that sends others."""

from collections.abc import Callable, Sequence
from datetime import date
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from stagedoor import Cache, Cookie, Gateway, Header, Last
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, Reply, Stage


class Sort(Enum):
    NEW = "new"
    OLD = "old"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Said(BaseModel):
    said: str


Page = Annotated[int, Field(ge=1, le=100, description="which page")]


def echo() -> Gateway:
    """Declare handlers that say what they were given."""
    app = Gateway("shop")

    @app.get("/typed/{number}/{day}/{key}")
    async def typed(number: int, day: date, key: UUID) -> Said:
        return Said(said=f"{number} {day} {key}")

    @app.get("/query")
    async def query(
        page: Page = 1,
        sort: Sort = Sort.NEW,
        level: Level | None = None,
        only: Literal["a", "b"] = "a",
        tags: Annotated[Sequence[str], Field(max_length=3)] = (),
        ids: list[int] | None = None,
        flag: bool = False,
        needed: str = "-",
    ) -> Said:
        return Said(said=repr((page, sort.name, level, only, list(tags), ids, flag, needed)))

    @app.get("/needed")
    async def needs(word: str) -> Said:
        return Said(said=word)

    @app.get("/fields")
    async def fields(
        if_match: Annotated[str, Header()] = "*",
        tenant: Annotated[int, Header("X-Tenant-Id")] = 0,
        sid: Annotated[str, Cookie("sid")] = "",
        accept_language: Annotated[list[str], Header()] = [],  # noqa: B006 - a default, never changed
    ) -> Said:
        return Said(said=repr((if_match, tenant, sid, accept_language)))

    return app


async def ask(target: str, *fields: tuple[bytes, bytes]) -> Reply:
    async with Stage(echo()) as stage:
        return Reply(await stage.run(Client(stage.running).ask(target, headers=fields)))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            "/typed/7/2026-01-05/3D8D9BF5-0d90-4353-88ba-4ccc5d2c07ff",
            "7 2026-01-05 3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff",
        ),
        ("/query", "(1, 'NEW', None, 'a', [], None, False, '-')"),
        (
            "/query?page=2&sort=old&level=2&only=b&flag=true",
            "(2, 'OLD', <Level.HIGH: 2>, 'b', [], None, True, '-')",
        ),
        ("/query?tags=x&tags=y%26z&ids=3&ids=4", "(1, 'NEW', None, 'a', ['x', 'y&z'], [3, 4], False, '-')"),
        ("/query?needed=a+b%2Bc&unknown=1", "(1, 'NEW', None, 'a', [], None, False, 'a b+c')"),
        ("/query?needed=", "(1, 'NEW', None, 'a', [], None, False, '')"),
        ("/needed?word=%C3%A9", "é"),
    ],
)
async def test_an_input_is_read_by_its_type(target: str, said: str) -> None:
    """Paths and queries: numbers, dates, enums, lists, switches, defaults."""
    answer = await ask(target)

    assert answer.read(Said).said == said


async def test_fields_and_cookies_are_inputs_too() -> None:
    """`if_match` is If-Match; a list has each line, anything else the joined ones."""
    answer = await ask(
        "/fields",
        (b"if-match", b'"a"'),
        (b"if-match", b'"b"'),
        (b"x-tenant-id", b"7"),
        (b"cookie", b"_ga=1; sid=s"),
        (b"accept-language", b"de"),
        (b"accept-language", b"en"),
    )

    assert answer.read(Said).said == """('"a", "b"', 7, 's', ['de', 'en'])"""


@pytest.mark.parametrize(
    ("target", "loc", "kind"),
    [
        ("/typed/x/2026-01-05/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff", ["path", "number"], "int_parsing"),
        (
            "/typed/1/2026-02-30/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff",
            ["path", "day"],
            "date_from_datetime_parsing",
        ),
        ("/query?page=0", ["query", "page"], "greater_than_equal"),
        ("/query?page=1&page=2", ["query", "page"], "repeated"),
        ("/query?page=", ["query", "page"], "int_parsing"),
        ("/query?sort=New", ["query", "sort"], "enum"),
        ("/query?only=c", ["query", "only"], "literal_error"),
        ("/query?tags=1&tags=2&tags=3&tags=4", ["query", "tags"], "too_long"),
        ("/query?ids=1&ids=x", ["query", "ids", "1"], "int_parsing"),
        ("/query?needed=%FF", ["query", "*"], "encoding"),
        ("/needed", ["query", "word"], "missing"),
    ],
)
async def test_what_is_no_value_of_the_type_is_422_with_its_place(
    target: str, loc: list[str], kind: str
) -> None:
    """H10: the same body as everywhere, `loc` names the parameter as the client spells it."""
    answer = await ask(target)
    said = answer.read(dict[str, Any])

    assert answer.status == 422
    assert [(one["loc"], one["type"]) for one in said["errors"]] == [(loc, kind)]
    assert answer.header("content-type") == "application/problem+json"


async def test_a_default_is_nobodys_to_change() -> None:
    """What one request does to it, the next does not see."""
    app = Gateway("shop")

    @app.get("/a")
    async def a(words: list[str] = []) -> list[str]:  # noqa: B006 - that is what is tried
        words.append("x")
        return words

    async with Stage(app) as stage:
        assert [(await stage.get("/a")).read(list[str]) for _ in range(2)] == [["x"], ["x"]]


async def test_everything_that_is_wrong_is_said_at_once() -> None:
    """Two faults, two rows; a field is named as it is sent."""
    said = (await ask("/fields", (b"x-tenant-id", b"x"))).read(dict[str, Any])
    both = (await ask("/query?page=0&sort=x")).read(dict[str, Any])

    assert [one["loc"] for one in said["errors"]] == [["header", "X-Tenant-Id"]]
    assert [one["loc"] for one in both["errors"]] == [["query", "page"], ["query", "sort"]]


async def test_inputs_are_in_the_document() -> None:
    """G9: place, name, type, bound, default, whether it must be there."""
    parameters = (await ask("/openapi.json")).read(dict[str, Any])["paths"]
    query = {one["name"]: one for one in parameters["/query"]["get"]["parameters"]}
    fields = {one["name"]: one for one in parameters["/fields"]["get"]["parameters"]}
    [word] = parameters["/needed"]["get"]["parameters"]

    assert query["page"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 1,
        "description": "which page",
    }
    assert query["sort"]["schema"] == {"type": "string", "enum": ["new", "old"], "default": "new"}
    assert (query["page"]["required"], word["required"], word["in"]) == (False, True, "query")
    assert {name: one["in"] for name, one in fields.items()} == {
        "If-Match": "header",
        "X-Tenant-Id": "header",
        "sid": "cookie",
        "Accept-Language": "header",
    }


class Screen(BaseModel):
    hello: str


async def test_a_field_that_is_an_input_identifies_the_answer() -> None:
    """T5: it joins `vary`, so that a German and an English caller have entries of their own."""
    app = Gateway("shop")
    screen = app.aggregate("/hello", Screen, cache=Cache(max_age=60))

    @screen.part
    async def hello(accept_language: Annotated[str, Header()] = "en", name: str = "you") -> str:
        return f"{accept_language} {name}"

    async with Stage(app) as stage:
        said = [
            (await stage.get("/hello", accept_language="de")),
            (await stage.get("/hello")),
            (await stage.get("/hello?name=me")),
            (await stage.get("/hello?name=you")),
        ]

        assert [one.read(Screen).hello for one in said] == ["de you", "en you", "en me", "en you"]
        assert [one.parts["hello"] for one in said] == ["fresh", "fresh", "fresh", "cached"]
        assert said[0].header("vary") == "Accept-Language".lower()


async def test_equal_values_share_an_entry_however_they_are_spelled() -> None:
    """T6: keys are made of values; `007` and `7` are one number."""
    app = Gateway("shop")
    screen = app.aggregate("/{number}", Screen, cache=Cache(max_age=60))

    @screen.part
    async def hello(number: int) -> str:
        return f"{number}"

    async with Stage(app) as stage:
        first, again = await stage.get("/007"), await stage.get("/7")

        assert (first.parts["hello"], again.parts["hello"]) == ("fresh", "cached")


class Box(BaseModel):
    name: str


async def takes_a_model(box: Box) -> str:
    return box.name


async def takes_a_near_name(helo: str) -> str:
    return helo


async def takes_an_unreadable(call: Callable[[int], int]) -> str:
    return str(call)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (takes_a_model, "argument 'box' is a model but no part"),
        (takes_a_near_name, "argument 'helo' is no part and would be an input; did you mean 'hello'?"),
        (takes_an_unreadable, "argument 'call': "),
    ],
)
def test_an_argument_that_was_meant_otherwise_is_refused_at_start(function: Any, words: str) -> None:
    """With file and line of the part."""
    app = Gateway("shop")
    screen = app.aggregate("/hello", Screen)

    @screen.part
    async def hello() -> str:
        return ""

    screen.part(function)

    with pytest.raises(ConfigError, match=r"test_inputs\.py:\d+: ") as caught:
        app.inspected()

    assert words in str(caught.value)


def test_one_input_has_one_type() -> None:
    """Two parts that read it otherwise could not both be right."""
    app = Gateway("shop")

    class Two(BaseModel):
        a: str
        b: int

    screen = app.aggregate("/{x}", Two)

    @screen.part
    async def a(x: str) -> str:
        return x

    @screen.part
    async def b(x: int) -> int:
        return x

    with pytest.raises(ConfigError, match="input 'x' has another type or default in another part"):
        app.inspected()


def test_a_path_parameter_that_nobody_takes_is_refused_at_start() -> None:
    """With what was probably meant."""
    app = Gateway("shop")

    @app.get("/{account_id}")
    async def handler(acount_id: str) -> Said:
        return Said(said=acount_id)

    with pytest.raises(
        ConfigError, match="the path names 'account_id', which no argument takes; did you mean 'acount_id'"
    ):
        app.inspected()


async def test_the_last_of_a_repeated_input_counts_where_that_is_declared() -> None:
    """Contract 1.2: a single-valued parameter given twice; documents show one value as before."""
    app = Gateway("shop")

    @app.get("/pages")
    async def pages(size: Last[int | None] = None) -> int | None:
        return size

    async with Stage(app) as stage:
        answers = [
            await stage.get(f"/pages{query}") for query in ("?size=1&size=2", "?size=x&size=3", "?size=1")
        ]
        document = (await stage.get("/openapi.json")).read(dict[str, Any])

    assert [one.read(int) for one in answers] == [2, 3, 1]
    (parameter,) = document["paths"]["/pages"]["get"]["parameters"]
    assert parameter["schema"]["anyOf"][0] == {"type": "integer"}
