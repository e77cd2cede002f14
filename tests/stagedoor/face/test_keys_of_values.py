"""Answers are told apart by the values they were asked with: two that differ never share one (T4)."""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import combinations
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretBytes, SecretStr

from stagedoor import Cache, Gateway
from stagedoor._face.exact import exact
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage

MINUTE = Cache(max_age=60)


class Who(BaseModel):
    token: SecretStr
    trace: str = Field("", exclude=True)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    _kept: int = PrivateAttr(default=0)


@dataclass
class Range:
    first: int
    last: int | None = field(default=None)


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = 1
    CRIMSON = 2


class Word(StrEnum):
    A = "a"


def who(token: str, trace: str = "") -> Who:
    return Who(token=SecretStr(token), trace=trace)


VALUES: list[Any] = [
    *("", "1", "none", "true", "a", 1, 1.0, True, None, b"1", b"", Decimal(1), Decimal("1.0")),
    *(float("nan"), float("inf"), float("-inf"), Word.A, Colour.RED, Colour.CRIMSON),
    *([], (), [1], ["1"], [[1], 2], [[1, 2]], (1, 2), Point(1, 2), {1: 2}, {"1": 2}, {1}, frozenset({1})),
    *(SecretStr("a"), SecretStr("b"), SecretBytes(b"a"), Range(1), Range(1, 2)),
    *(
        who("a"),
        who("b"),
        who("a", "t"),
        Open(),
        Open.model_validate({"a": 1}),
        Open.model_validate({"a": "1"}),
    ),
]


def test_two_values_that_differ_have_two_keys() -> None:
    """Also those of which JSON is the same, or hides something."""
    for one, other in combinations(VALUES, 2):
        assert exact(one) != exact(other), (one, other)


def test_a_key_is_the_same_for_equal_values_and_holds_no_secret() -> None:
    """In every process: sets have no order, and keys lie in shared stores."""
    assert exact({"b", "a", "c"}) == exact({"c", "a", "b"})
    assert exact(Who(token=SecretStr("hush"), trace="t")) == exact(Who(token=SecretStr("hush"), trace="t"))
    assert b"hush" not in exact([SecretStr("hush"), Who(token=SecretStr("hush"))])


async def test_kept_answers_are_told_apart_by_numbers_that_json_has_not_and_by_secrets() -> None:
    """NaN, infinity and none at all were one entry, and so were all secrets."""
    app = Gateway("shop")

    @app.get("/numbers", cache=MINUTE)
    async def numbers(x: Annotated[float, Field(allow_inf_nan=True)] | None = None) -> str:
        return repr(x)

    @app.get("/secrets", cache=MINUTE)
    async def secrets(code: SecretStr) -> str:
        return code.get_secret_value()

    async with Stage(app) as stage:
        told = [
            (await stage.get(f"/numbers{query}")).read(str) for query in ("", "?x=nan", "?x=inf", "?x=-inf")
        ]
        codes = [(await stage.get(f"/secrets?code={code}")).read(str) for code in "ab"]

    assert told == ["None", "nan", "inf", "-inf"]
    assert codes == ["a", "b"]


class Page(BaseModel):
    text: str


async def test_a_readable_key_tells_apart_what_it_does_not_name() -> None:
    """An input that is not in it, and a value whose text another may have."""
    app = Gateway("shop")

    @app.get("/list", cache=Cache(max_age=60, key="list:{q}"))
    async def listed(q: str | None = None, page: int = 1) -> str:
        return f"{q!r} {page}"

    screen = app.aggregate("/pages/{number}", Page, cache=Cache(max_age=60, key="page:{number}"))

    @screen.part
    async def text(number: int, tongue: str = "en") -> str:
        return f"{number} {tongue}"

    async with Stage(app) as stage:
        lists = [(await stage.get(f"/list{query}")).read(str) for query in ("", "?q=None", "?page=2", "?q=a")]
        pages = [(await stage.get(f"/pages/1{query}")).read(Page).text for query in ("", "?tongue=de")]

    assert lists == ["None 1", "'None' 1", "None 2", "'a' 1"]
    assert pages == ["1 en", "1 de"]


async def test_a_source_is_kept_and_joined_by_all_of_its_arguments() -> None:
    """A token in a model is one of them."""
    app = Gateway("shop")

    @app.source(safe=True, cache=MINUTE)
    async def asked(who: Who) -> str:
        await asyncio.sleep(0)
        return who.token.get_secret_value()

    async with Stage(app) as stage, stage.running.request():
        calls = [asked(Who(token=SecretStr(name))) for name in "abab"]
        found = await stage.run(asyncio.gather(*calls))

    assert found == ["a", "b", "a", "b"]


async def test_what_several_share_is_nobodys_to_change() -> None:
    """The first of those who joined could change the value before the next had its copy."""
    app = Gateway("shop")

    @app.source(safe=True)
    async def numbers() -> list[int]:
        await asyncio.sleep(0)
        return [1]

    async def longer() -> list[int]:
        found = await numbers()
        found.append(2)
        return found

    async with Stage(app) as stage, stage.running.request():
        found = tuple(await stage.run(asyncio.gather(longer(), longer(), longer())))

    assert found == ([1, 2], [1, 2], [1, 2])


async def test_a_secret_cannot_be_kept() -> None:
    """Kept it would be stars: said at start, and not by a service that refuses them."""
    app = Gateway("shop")

    @app.source(safe=True, cache=MINUTE)
    async def token() -> Who:
        return Who(token=SecretStr("a"))

    with pytest.raises(ConfigError, match="what it returns cannot be kept: a secret is written as stars"):
        async with Stage(app):
            pass
