"""Inputs that could never be given, or would be read otherwise than they say: each ends at start."""

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel, BeforeValidator, Field

from stagedoor import Cookie, Gateway, Header, NotFound, Query, Stream
from stagedoor.testing import Stage
from tests.stagedoor.face.mistakes import Mistakes, Thing, loose

at_start = Mistakes()


class Point(NamedTuple):
    x: int
    y: int


class Undefined(BaseModel):
    inner: "NobodyDefinesThis"  # type: ignore[name-defined]  # noqa: F821


def handler(app: Gateway, hint: Any, path: str = "/page") -> None:
    async def page(x: str) -> str:
        return x

    page.__annotations__["x"] = hint
    loose(app).get(path)(page)


@at_start(r"argument 'x': Point cannot be read from a query parameter")
def several_values_of_one_text(app: Gateway) -> None:
    handler(app, Point)


@at_start(r"argument 'x': list\[list\[int\]\] cannot be read from a query parameter")
def lists_in_a_list(app: Gateway) -> None:
    handler(app, list[list[int]])


@at_start(r"argument 'x': Iterable\[int\] cannot be read from a query parameter")
def what_can_be_read_once(app: Gateway) -> None:
    handler(app, Iterable[int])


@at_start(r"argument 'x': NoneType cannot be read from a query parameter")
def nothing_at_all(app: Gateway) -> None:
    handler(app, None)


@at_start(r"argument 'x': Header\(\.\.\.\) and Query\(\.\.\.\): an input comes from one place")
def two_places(app: Gateway) -> None:
    handler(app, Annotated[str, Header(), Query()])


@at_start(r"the path names 'x', which no argument takes: the argument of that name is from the header")
def field_named_like_the_path(app: Gateway) -> None:
    handler(app, Annotated[str, Header()], "/page/{x}")


@at_start(r"the path names 'x', which no part takes: the argument of that name is from the query")
def parameter_named_like_the_path_of_a_screen(app: Gateway) -> None:
    class Page(BaseModel):
        one: str

    screen = app.aggregate("/page/{x}", Page)

    @screen.part
    async def one(x: Annotated[str, Query()]) -> str:
        return x


@at_start(r"argument 'x': Field\(\.\.\.\) has no default here: say it after a =")
def default_in_a_field(app: Gateway) -> None:
    handler(app, Annotated[int, Field(default=3)])


@at_start(r"argument 'x': Field\(\.\.\.\) has no default here: say it after a =")
def factory_in_a_field(app: Gateway) -> None:
    handler(app, Annotated[list[int], Field(default_factory=list)])


@at_start(
    r"argument 'x': Field\(\.\.\.\) gives no other name here: say Annotated\[\.\.\., Query\(\"from\"\)\]"
)
def alias_in_a_field(app: Gateway) -> None:
    handler(app, Annotated[str, Field(alias="from")])


@at_start(r"argument 'b': another argument reads the header parameter 'x-tenant' already: take it once")
def field_taken_twice(app: Gateway) -> None:
    @app.get("/page")
    async def page(a: Annotated[str, Header("X-Tenant")], b: Annotated[int, Header("x-tenant")]) -> str:
        return f"{a} {b}"


@at_start(r"argument 'b': another argument reads the query parameter 'q' already: take it once")
def parameter_taken_twice_in_a_screen(app: Gateway) -> None:
    class Page(BaseModel):
        one: str
        two: str

    screen = app.aggregate("/page", Page)

    @screen.part
    async def one(a: Annotated[str, Query("q")]) -> str:
        return a

    @screen.part
    async def two(b: Annotated[str, Query("q")]) -> str:
        return b


@at_start(r"POST /page: the body, 'x', cannot be read: name 'NobodyDefinesThis' is not defined")
def body_that_nobody_defined(app: Gateway) -> None:
    @app.post("/page")
    async def page(x: Undefined) -> str:
        return repr(x)


@at_start(r"what GET /page returns has no JSON form: name 'NobodyDefinesThis' is not defined")
def answer_that_nobody_defined(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> list[Undefined]:
        return []


@at_start(r"'my page' in '/my page' is no segment of a URL: write 'my%20page'")
def blank_in_a_path(app: Gateway) -> None:
    handler(app, str, "/my page")


@at_start(r"'é' in '/é/\{x\}' is no segment of a URL: write '%C3%A9'")
def letter_that_no_url_has(app: Gateway) -> None:
    handler(app, str, "/é/{x}")


@at_start(r"'page#top' in '/page#top' is no segment of a URL: write 'page%23top'")
def fragment_in_a_path(app: Gateway) -> None:
    handler(app, str, "/page#top")


def streamed(app: Gateway, hint: Any, *defaults: object) -> None:
    async def page(x: str) -> Stream:
        raise NotFound(x)

    page.__annotations__["x"] = hint
    page.__defaults__ = defaults or None
    app.get("/page")(page)


@at_start(r"GET /page: argument 'x': its default None is no int; say int \| None")
def default_of_a_stream(app: Gateway) -> None:
    streamed(app, int, None)


@at_start(r"GET /page: argument 'x': list\[list\[int\]\] cannot be read from a query parameter")
def input_of_a_stream(app: Gateway) -> None:
    streamed(app, list[list[int]])


@at_start(r"GET /page: argument 'x': Header marks nothing here")
def marker_of_a_stream(app: Gateway) -> None:
    streamed(app, Annotated[str, Header])


@at_start(r"GET /page: argument 'x': .*Thing.* cannot be read from a query parameter: say each of its fields")
def model_as_a_query(app: Gateway) -> None:
    streamed(app, Annotated[Thing, Query()])


@at_start(r"GET /page: 'x', 'y': GET has no body: say each of its fields as an argument")
def two_bodies_of_a_get(app: Gateway) -> None:
    @app.get("/page")
    async def page(x: Thing, y: Thing) -> str:
        return x.name + y.name


@at_start(r"GET /page: 'x': GET has no body")
def body_of_a_stream(app: Gateway) -> None:
    streamed(app, Thing)


@at_start(r"GET /page/\{name\}: the path names 'name', which no argument takes; did you mean 'nam'\?")
def path_of_a_stream(app: Gateway) -> None:
    @app.get("/page/{name}")
    async def page(nam: str) -> Stream:
        raise NotFound(nam)


@at_start(r"'\*' is no field: name each that counts")
def every_field_at_once(app: Gateway) -> None:
    app.get("/page", vary={"*"})(several)


async def several() -> str:
    return ""


@pytest.mark.parametrize("name", at_start.names)
def test_an_input_that_could_never_be_given_is_told_at_start(name: str) -> None:
    """G3: it was 422, 404 or 500 for every client, or what was said of it was ignored without a word."""
    said = at_start.told(name)

    assert len(said.splitlines()) == 1, said


async def test_a_type_with_a_reader_of_its_own_is_taken() -> None:
    """What a validator makes of a text is the author's."""
    app = Gateway("shop")

    @app.get("/page")
    async def page(x: Annotated[Point, BeforeValidator(lambda text: text.split(","))]) -> Point:
        return x

    async with Stage(app) as stage:
        answer = await stage.get("/page?x=1,2")

    assert answer.read(list[int]) == [1, 2]


async def test_equal_names_in_other_places_are_other_inputs() -> None:
    """A query parameter and a cookie of one name."""
    app = Gateway("shop")

    @app.get("/page")
    async def page(a: Annotated[str, Query("sid")], b: Annotated[str, Cookie("sid")]) -> str:
        return a + b

    async with Stage(app) as stage:
        answer = await stage.get("/page?sid=1", cookie="sid=2")

    assert answer.read(str) == "12"
