"""Markers that would be overlooked, so that a field would be a query parameter: each ends at start."""

from typing import Annotated, Any

import pytest
from fastapi import Request, Response, UploadFile

from stagedoor import Answer, Cookie, Gateway, Header
from stagedoor.testing import Stage
from tests.stagedoor.face.mistakes import Mistakes, Page, Thing

at_start = Mistakes()
Depends = type("Depends", (), {"__module__": "fastapi.params"})
Foreign = type("Header", (), {"__module__": "fastapi.params"})


class Odd:
    """No type that pydantic knows."""


def handler(app: Gateway, hint: Any) -> None:
    async def page(lang: str = "") -> str:
        return lang

    page.__annotations__["lang"] = hint
    app.get("/page")(page)


@at_start(r"argument 'lang': Header marks nothing here: say Annotated\[str, Header\(\)\]")
def header_without_parentheses(app: Gateway) -> None:
    handler(app, Annotated[str, Header])


@at_start(r"argument 'lang': Cookie marks nothing here: say Annotated\[str, Cookie\(\"sid\"\)\]")
def cookie_without_parentheses(app: Gateway) -> None:
    handler(app, Annotated[str, Cookie])


@at_start(
    r"argument 'lang': Header, of fastapi, marks nothing here: say Annotated\[str, Header\(\)\], of stagedoor"
)
def header_of_another_framework(app: Gateway) -> None:
    handler(app, Annotated[str, Foreign()])


@at_start(r"argument 'lang': Depends, of fastapi, marks nothing here: say a part")
def dependency_of_another_framework(app: Gateway) -> None:
    handler(app, Annotated[str, Depends()])


@at_start(
    r"argument 'lang': the marker stands inside a type: say Annotated\[\.\.\. \| None, Header\(\.\.\.\)\]"
)
def header_inside_a_union(app: Gateway) -> None:
    handler(app, Annotated[str, Header()] | None)


@at_start(r"argument 'lang': Header marks nothing here")
def header_of_a_part_without_parentheses(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing(lang: Annotated[str, Header] = "") -> Thing:
        return Thing(name=lang)


@at_start(
    r"argument 'request': Request, of starlette, is not given here: name what is needed: a name of the path"
)
def request_of_a_framework(app: Gateway) -> None:
    @app.get("/page")
    async def page(request: Request) -> str:
        return str(request)


@at_start(r"argument 'response': Response, of starlette, is not given here: return an Answer")
def response_of_a_framework_in_a_part(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    async def thing(response: Response) -> Thing:
        return Thing(name=str(response))


@at_start(
    r"argument 'file': UploadFile, of fastapi, is not given here: there are no forms here; app\.proxy passes"
)
def upload_of_a_framework(app: Gateway) -> None:
    @app.post("/page")
    async def page(file: UploadFile | None = None) -> str:
        return str(file)


@at_start(r"argument 'self': a method is declared of an object, as in app\.get\('/home'\)\(pages\.home\)")
def method_inside_its_class(app: Gateway) -> None:
    class Pages:
        @app.get("/page")
        async def page(self) -> str:
            return ""


@at_start(
    r"argument 'thing': Odd cannot be read from a request: pydantic does not know how: say a model, a dataclass"
)
def class_that_nothing_reads(app: Gateway) -> None:
    @app.post("/page")
    async def page(thing: Odd) -> str:
        return str(thing)


@at_start(
    r"what GET /page returns has no JSON form: pydantic .* a dataclass or a plain type, or an Answer of one"
)
def answer_of_a_framework(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> Response:
        return Response("a")


@pytest.mark.parametrize("name", at_start.names)
def test_a_marker_that_would_be_overlooked_is_told_at_start(name: str) -> None:
    """It was a query parameter of that name, without a word."""
    said = at_start.told(name)

    assert len(said.splitlines()) == 1, said


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"a\xc3\xa4"),
        ("Text/CSV; charset=utf-8", b"a\xc3\xa4"),
        ("application/json", '"aä"'.encode()),
    ],
)
async def test_a_str_under_a_text_type_leaves_as_text(kind: str, body: bytes) -> None:
    """JSON quotes under text/plain are what nobody asked for; under JSON they are JSON."""
    app = Gateway("shop")

    @app.get("/said")
    async def said() -> Answer[str]:
        return Answer("aä", headers={"content-type": kind})

    async with Stage(app) as stage:
        answer = await stage.get("/said")

    assert (answer.body, answer.header("content-type")) == (body, kind)
