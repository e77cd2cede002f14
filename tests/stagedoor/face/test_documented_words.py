"""What documents say of a route is its author's: never a docstring that a class has from somebody else."""

from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from stagedoor import Answer, Gateway
from stagedoor.testing import Stage


class Base(BaseModel):
    """What all screens have."""


class HomeScreen(Base):
    name: str = ""


class Told(BaseModel):
    """A screen that says what it is.

    At length.
    """

    name: str = ""


class HTMLPage(BaseModel):
    name: str = ""


async def operation_of(model: type[BaseModel]) -> dict[str, Any]:
    app = Gateway("shop")
    screen = app.aggregate("/page", model)

    @screen.part
    async def name() -> str:
        return "a"

    async with Stage(app) as stage:
        document = orjson.loads((await stage.get("/openapi.json")).body)
    told: dict[str, Any] = document["paths"]["/page"]["get"]
    return told


@pytest.mark.parametrize(
    ("model", "summary", "description"),
    [
        (HomeScreen, "Home screen", ""),
        (HTMLPage, "HTML page", ""),
        (Told, "A screen that says what it is.", "At length."),
    ],
)
async def test_a_screen_is_documented_by_its_own_docstring_else_by_its_name(
    model: type[BaseModel], summary: str, description: str
) -> None:
    """`inspect.getdoc` inherits: pydantic's own pages stood in the document of a model without a docstring."""
    told = await operation_of(model)

    assert (told["summary"], told.get("description", "")) == (summary, description)


async def test_a_handler_without_a_docstring_is_documented_by_its_name() -> None:
    """Words of its name are more than none."""
    app = Gateway("shop")

    @app.get("/opening")
    async def opening_hours() -> str:
        return "9"

    async with Stage(app) as stage:
        document = orjson.loads((await stage.get("/openapi.json")).body)

    assert document["paths"]["/opening"]["get"]["summary"] == "Opening hours"


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (Told | None, {"$ref": "#/components/schemas/Told"}),
        (Answer[Told | None], {"$ref": "#/components/schemas/Told"}),
        (int | str | None, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Any, {}),
    ],
    ids=str,
)
async def test_a_handler_that_may_return_none_is_documented_with_204(hint: Any, schema: object) -> None:
    """G9: None is answered 204, and never the `null` under 200 that documents told of."""
    app = Gateway("shop")

    async def page() -> Any:
        return None

    page.__annotations__["return"] = hint
    app.get("/page")(page)

    async with Stage(app) as stage:
        answer = await stage.get("/page")
        document = orjson.loads((await stage.get("/openapi.json")).body)

    told = document["paths"]["/page"]["get"]["responses"]
    assert answer.status == 204
    assert "content" not in told["204"]
    assert told["200"]["content"]["application/json"]["schema"] == schema


async def test_a_refusal_of_if_match_is_documented_where_there_is_an_entity_tag() -> None:
    """G9: 412 came, and no document told of it."""
    app = Gateway("shop")

    @app.get("/tagged", etag=True)
    async def tagged() -> str:
        return "a"

    async with Stage(app) as stage:
        answer = await stage.get("/tagged", if_match='"x"')
        document = orjson.loads((await stage.get("/openapi.json")).body)

    assert answer.status == 412
    assert "412" in document["paths"]["/tagged"]["get"]["responses"]


async def test_a_write_tells_of_pages_of_other_sites_and_of_an_answer_without_a_body() -> None:
    """G9, T20: each write may be refused so (403); a route that returns None has no JSON, whatever its status."""
    app = Gateway("shop")

    @app.post("/things", status=201)
    async def things() -> None: ...

    @app.get("/things")
    async def thing() -> str:
        return "a"

    async with Stage(app) as stage:
        answer = await stage.post("/things", sec_fetch_site="cross-site")
        document = orjson.loads((await stage.get("/openapi.json")).body)

    told = document["paths"]["/things"]
    assert answer.status == 403
    assert "403" in told["post"]["responses"]
    assert "403" not in told["get"]["responses"]
    assert "content" not in told["post"]["responses"]["201"]


async def test_bytes_in_an_answer_are_of_a_type_of_their_own() -> None:
    """G9: a card or a picture was told of as a text in JSON."""
    app = Gateway("shop")

    @app.get("/card")
    async def card() -> Answer[bytes]:
        return Answer(b"BEGIN:VCARD", headers={"content-type": "text/vcard"})

    @app.get("/plain")
    async def plain() -> bytes:
        return b"a"

    async with Stage(app) as stage:
        answers = [await stage.get(path) for path in ("/card", "/plain")]
        document = orjson.loads((await stage.get("/openapi.json")).body)

    told = [document["paths"][path]["get"]["responses"]["200"]["content"] for path in ("/card", "/plain")]
    assert [one.body for one in answers] == [b"BEGIN:VCARD", b'"a"']
    assert told[0] == {"*/*": {"schema": {}}}
    assert list(told[1]) == ["application/json"]
