"""Inputs that are one of some numbers: a request spells them as texts, and they are read all the same."""

from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType

import orjson
import pytest
from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypeAliasType

from stagedoor import Cookie, Gateway, Header
from stagedoor.testing import Stage


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Rank(IntEnum):
    FIRST = 1


class Ratio(Enum):
    HALF = 0.5
    TENTH = Decimal("0.1")


class Mixed(Enum):
    ONE = 1
    ALL = "all"


class Said(BaseModel):
    said: str


Choice = NewType("Choice", Literal[1, 2])  # type: ignore[valid-newtype, unused-ignore]
Alias = TypeAliasType("Alias", Literal[1, 2])
Doubled = Annotated[Literal[1, 2], AfterValidator(lambda number: number * 2)]

READ: list[tuple[Any, str, object]] = [
    (Literal[1, 2], "2", 2),
    (Literal[-1], "-1", -1),
    (Literal["a", 1], "1", 1),
    (Literal["a", 1], "a", "a"),
    (Literal[1, 2] | None, "1", 1),
    (int | Literal["all"], "all", "all"),
    (int | Literal["all"], "7", 7),
    (Literal[True, "auto"], "true", True),
    (Size, "1", Size.SMALL),
    (Size | None, "2", Size.LARGE),
    (Literal[Size.LARGE], "2", Size.LARGE),
    (Rank, "1", Rank.FIRST),
    (Literal[Rank.FIRST] | None, "1", Rank.FIRST),
    (Ratio, "0.5", Ratio.HALF),
    (Ratio, "0.1", Ratio.TENTH),
    (Mixed, "1", Mixed.ONE),
    (Mixed, "all", Mixed.ALL),
    (Annotated[Literal[1, 2], Field(description="which")], "2", 2),
    (Doubled, "2", 4),
    (Choice, "1", 1),
    (Alias, "1", 1),
    (list[Literal[1, 2]], "1", [1]),
    (set[Size] | None, "1", {Size.SMALL}),
    (Annotated[list[Size], Field(max_length=2)] | None, "1", [Size.SMALL]),
]


def echo(hint: Any) -> Gateway:
    """Declare one input in every place a request has."""
    app = Gateway("shop")

    async def path(one: Any) -> Said:
        return Said(said=repr(one))

    async def query(one: Any) -> Said:
        return Said(said=repr(one))

    async def field(one: Any) -> Said:
        return Said(said=repr(one))

    async def crumb(one: Any) -> Said:
        return Said(said=repr(one))

    path.__annotations__["one"] = query.__annotations__["one"] = hint
    field.__annotations__["one"] = Annotated[hint, Header("X-One")]
    crumb.__annotations__["one"] = Annotated[hint, Cookie("one")]
    for at, function in (("/path/{one}", path), ("/query", query), ("/field", field), ("/crumb", crumb)):
        app.get(at)(function)  # type: ignore[arg-type, unused-ignore]
    return app


@pytest.mark.parametrize(("hint", "text", "value"), READ)
async def test_a_choice_of_numbers_is_read_from_its_text(hint: Any, text: str, value: object) -> None:
    """`Literal[1]` was a 422 whatever was sent: pydantic compares, and "1" is not 1."""
    async with Stage(echo(hint)) as stage:
        answers = [
            await stage.get(f"/path/{text}"),
            await stage.get(f"/query?one={text}"),
            await stage.get("/field", x_one=text),
            await stage.get("/crumb", cookie=f"one={text}"),
        ]

    assert [answer.read(Said).said for answer in answers] == [repr(value)] * 4


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Literal[1, 2], "3"),
        (Literal[1, 2], "x"),
        (Literal[1, 2], ""),
        (Size, "3"),
        (Size | None, "SMALL"),
        (list[Literal[1, 2]], "3"),
        (Annotated[Literal[1, 2], Field(gt=1)], "1"),
    ],
)
async def test_what_is_no_choice_is_refused_with_what_is(hint: Any, text: str) -> None:
    """422 that names the input, as for any other type."""
    async with Stage(echo(hint)) as stage:
        answer = await stage.get(f"/query?one={text}")

    assert answer.status == 422
    assert b'"one"' in answer.body


async def test_documents_say_numbers() -> None:
    """What is read is what is documented."""
    async with Stage(echo(Literal[1, 2])) as stage:
        document = orjson.loads((await stage.get("/openapi.json")).body)

    (parameter,) = document["paths"]["/query"]["get"]["parameters"]
    assert (parameter["schema"]["type"], parameter["schema"]["enum"]) == ("integer", [1, 2])
