"""`typing.TypedDict` before Python 3.12, which pydantic does not read: one line says what to import instead."""

import sys
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, Header
from stagedoor.testing import Stage
from tests.stagedoor.face.mistakes import Mistakes, loose

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it from Python 3.12 on")
REMEDY = "before Python 3.12 TypedDict is that of typing_extensions, not of typing: import it from there"
at_start = Mistakes()


class Old(TypedDict):
    name: str


class Page(BaseModel):
    thing: dict[str, str]
    told: dict[str, str] = {}


@at_start(rf"what GET /page returns has no JSON form: {REMEDY}")
def returned(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> Old:
        return {"name": "a"}


@at_start(rf"what GET /page returns has no JSON form: {REMEDY}")
def returned_inside(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> list[Old] | None:
        return None


@at_start(rf"POST /page: the body, 'thing', cannot be read: {REMEDY}")
def taken_as_a_body(app: Gateway) -> None:
    @app.post("/page")
    async def page(thing: Old) -> str:
        return thing["name"]


@at_start(rf"argument 'thing': .*Old.* cannot be read from a request: {REMEDY}")
def taken_as_an_input(app: Gateway) -> None:
    @app.get("/page")
    async def page(thing: Annotated[Old, Header()]) -> str:
        return thing["name"]


@at_start(rf"what it returns cannot be kept: {REMEDY}")
def part_that_is_kept(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part(cache=Cache(max_age=1))  # type: ignore[untyped-decorator]
    async def thing() -> Old:
        return {"name": "a"}


@at_start(rf"what it returns cannot be kept: {REMEDY}")
def source_that_is_kept(app: Gateway) -> None:
    @app.source(safe=True, cache=Cache(max_age=1))
    async def thing() -> Old:
        return {"name": "a"}

    @app.get("/page")
    async def page() -> str:
        return (await thing())["name"]


@at_start(rf"the summary of Page: {REMEDY}")
def summary(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    async def thing() -> dict[str, str]:
        return {}

    @page.summary  # type: ignore[untyped-decorator]
    def told() -> Old:
        return {"name": "a"}


@pytest.mark.parametrize("name", at_start.names)
def test_a_dictionary_of_typing_is_told_at_start_with_place_and_remedy(name: str) -> None:
    """Pydantic's own error named no place, and broke into lines."""
    said = at_start.told(name)

    assert len(said.splitlines()) == 1, said


async def test_a_dictionary_of_typing_is_no_shape_of_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake of the code: told in the log, and to a client as our failure."""
    app = loose(Gateway("shop"))
    things = app.service("things")

    @app.get("/page")  # type: ignore[untyped-decorator]
    async def page() -> str:
        found: Old = await things.get(Old, "/")
        return found["name"]

    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        with pytest.raises(TypeError, match=REMEDY):
            await stage.get("/page")
