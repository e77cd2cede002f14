"""`Query`: a query parameter may have another name than its argument, and be meant."""

from datetime import date
from typing import Annotated

import orjson
import pytest
from pydantic import BaseModel

from stagedoor import Gateway, Query
from stagedoor._face.spelling import is_within
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage


class Statement(BaseModel):
    account: str
    rows: list[str] = []


def statement() -> Gateway:
    app = Gateway("shop")
    screen = app.aggregate("/statement", Statement)

    @screen.part
    async def account(first: Annotated[date, Query("from")], count: Annotated[int, Query()]) -> str:
        return f"{first} {count}"

    return app


async def test_a_query_parameter_has_the_name_that_its_marker_says() -> None:
    """`from`, `class` and `a-b` are no names in Python; `count` is close to the part `account`, and meant."""
    async with Stage(statement()) as stage:
        answer = await stage.get("/statement?from=2026-01-05&count=3")
        wrong = await stage.get("/statement?from=today&count=3")
        document = orjson.loads((await stage.get("/openapi.json")).body)

    assert answer.read(Statement).account == "2026-01-05 3"
    assert b'"loc":["query","from"]' in wrong.body
    listed = document["paths"]["/statement"]["get"]["parameters"]
    assert [(one["name"], one["in"]) for one in listed] == [("from", "query"), ("count", "query")]


async def test_a_handler_has_it_too() -> None:
    """The marker is one of inputs, whoever takes them."""
    app = Gateway("shop")

    @app.get("/said")
    async def said(kind: Annotated[str, Query("class")] = "a") -> str:
        return kind

    async with Stage(app) as stage:
        answers = [
            (await stage.get(target)).read(str) for target in ("/said", "/said?class=b", "/said?kind=b")
        ]

    assert answers == ["a", "b", "a"]


def test_a_name_near_a_part_is_told_with_the_way_out() -> None:
    """Whoever means the query reads how to say so."""
    app = Gateway("shop")
    screen = app.aggregate("/statement", Statement)

    @screen.part
    async def account(count: int) -> str:
        return str(count)

    with pytest.raises(
        ConfigError, match=r"did you mean 'account'\? A query parameter is Annotated\[\.\.\., Query"
    ):
        app.inspected()


@pytest.mark.parametrize(
    ("name", "slip"),
    [("count", False), ("acount", True), ("accuont", True), ("acc0unt", True), ("accountt", True)],
)
def test_one_edit_is_a_slip(name: str, slip: bool) -> None:
    """With a default a name is spared unless one edit makes it a part's."""
    assert is_within(1, name, "account") is is_within(1, "account", name) is slip


def test_an_argument_with_a_default_is_spared_unless_it_is_a_slip() -> None:
    """`count: int = 10` beside the part `account` is no mistake; `acount: int = 10` is one."""
    app = Gateway("shop")
    screen = app.aggregate("/statement", Statement)

    @screen.part
    async def account(count: int = 10) -> str:
        return str(count)

    app.inspected()

    @screen.part
    async def rows(acount: str = "") -> list[str]:
        return [acount]

    with pytest.raises(ConfigError, match="'acount' is no part"):
        app.inspected()


def test_a_name_is_a_text() -> None:
    """Another kind ends where it is written."""
    with pytest.raises(ConfigError, match=r"Query\(1\)"):
        Query(1)  # type: ignore[arg-type]
