"""What documents say of an input is true: its words, its example, and which numbers it takes (G9)."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import inf
from typing import Annotated, Any, NewType
from uuid import UUID

import jsonschema_rs
import orjson
import pytest
from pydantic import BaseModel, Field, HttpUrl, Json, PositiveInt, StringConstraints
from typing_extensions import TypeAliasType

from stagedoor import Gateway
from stagedoor.testing import Stage


class Colour(Enum):
    """What there is."""

    RED = "r"
    BLUE = "b"


class Tree(BaseModel):
    title: str
    children: "list[Tree]" = []


Ids = NewType("Ids", list[int])
Days = TypeAliasType("Days", list[date])
Deep = TypeAliasType("Deep", "int | list[Deep]")  # type: ignore[misc, unused-ignore]

HINTS: list[Any] = [
    *(
        int,
        float,
        bool,
        str,
        bytes,
        date,
        datetime,
        time,
        timedelta,
        Decimal,
        UUID,
        Colour,
        HttpUrl,
        PositiveInt,
    ),
    *(
        list[int],
        set[Colour],
        tuple[int, str],
        list[float] | None,
        Ids,
        Days,
        Json[list[int]],
        Json[Tree],
        Deep,
    ),
    *(Annotated[int, Field(lt=0)], Annotated[float, Field(gt=2)], Annotated[int, Field(multiple_of=7)]),
    *(
        Annotated[str, Field(min_length=3)],
        Annotated[list[int], Field(min_length=2)],
        list[Annotated[int, Field(ge=5)]],
    ),
]


def echo(hint: Any, *defaults: Any) -> Gateway:
    app = Gateway("shop")

    async def page(x: Any) -> str:
        return repr(x)

    page.__annotations__["x"] = hint
    page.__defaults__ = defaults or None
    app.get("/page")(page)
    return app


async def parameter_of(stage: Stage) -> dict[str, Any]:
    document = (await stage.get("/openapi.json")).read(dict[str, Any])
    (told,) = document["paths"]["/page"]["get"]["parameters"]
    return dict(told)


def spelled(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@pytest.mark.parametrize("hint", HINTS, ids=str)
async def test_the_example_of_an_input_is_of_its_schema_and_is_taken(hint: Any) -> None:
    """It was "1" for whatever the kit did not know, and texts in every list: a client that tried it got 422."""
    async with Stage(echo(hint)) as stage:
        told = await parameter_of(stage)
        example = told["example"]
        said = example if isinstance(example, list) else [example]
        answer = await stage.get("/page?" + "&".join(f"x={spelled(one)}" for one in said))

    jsonschema_rs.validate(told["schema"], example)
    assert answer.status == 200, (example, answer.body)


async def test_an_example_that_nothing_tells_is_left_out() -> None:
    """Rather than one that is wrong."""
    async with Stage(echo(Annotated[str, StringConstraints(pattern="^[a-z]+$")])) as stage:
        told = await parameter_of(stage)

    assert "example" not in told


async def test_words_of_an_argument_win_over_those_of_its_type() -> None:
    """A reference has neighbours in JSON Schema 2020-12, and what they said was lost."""
    async with Stage(echo(Annotated[Colour, Field(description="which one")])) as stage:
        told = await parameter_of(stage)

    assert told["description"] == told["schema"]["description"] == "which one"
    assert told["schema"]["enum"] == ["r", "b"]


async def test_json_in_a_parameter_is_one_text_whatever_it_holds() -> None:
    """A list of it was taken for a repeated parameter and never read; a member named title was no longer told."""
    async with Stage(echo(Json[list[Tree]])) as stage:
        answer = await stage.get('/page?x=[{"title":"a"}]')
        told = await parameter_of(stage)

    assert answer.read(str) == "[Tree(title='a', children=[])]"
    assert set(told["schema"]["contentSchema"]["items"]["properties"]) == {"title", "children"}


@pytest.mark.parametrize("said", ["nan", "NaN", "inf", "-Infinity", "1e400"])
@pytest.mark.parametrize("hint", [float, float | None, list[float]], ids=str)
async def test_an_input_is_a_number_that_json_has(hint: Any, said: str) -> None:
    """A7, CONTRACTS 1.2: documents say that it is a number, and NaN and infinities are none."""
    async with Stage(echo(hint)) as stage:
        answer = await stage.get(f"/page?x={said}")

    assert answer.status == 422
    assert answer.read(dict[str, Any])["errors"][0]["type"] == "finite_number"


async def test_a_default_without_end_stays_and_is_not_told_as_null() -> None:
    """`most: float = inf` is what Python says for "no bound"; JSON cannot."""
    async with Stage(echo(float, inf)) as stage:
        answer, told = await stage.get("/page"), await parameter_of(stage)

    assert answer.read(str) == "inf"
    assert "default" not in told["schema"]
