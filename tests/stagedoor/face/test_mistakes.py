"""Mistakes of a new user in what belongs together: each ends at start, in one message with place and remedy."""

from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Gateway, OrFallback
from tests.stagedoor.face.mistakes import HERE, Mistakes, Page, Thing, loose, used

at_start = Mistakes()


class Other(BaseModel):
    name: str


class Opaque:
    """A class that no JSON knows."""


@at_start(r"argument 'acount' is no part and would be an input; did you mean 'account'\?")
def misspelt_argument(app: Gateway) -> None:
    class Two(BaseModel):
        account: Thing
        more: list[str] = []

    page = app.aggregate("/page", Two)

    @page.part
    async def account() -> Thing:
        return Thing(name="a")

    @page.part
    async def more(acount: str) -> list[str]:
        return [acount]


@at_start(r"argument 'account' is a model but no part")
def misspelt_model(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing(account: Thing) -> Thing:
        return account


@at_start(r"thing: returns Other, the field is Thing")
def part_of_another_type(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Other:
        return Other(name="a")


@at_start(r"argument 'thing' is Other, but thing is Thing")
def need_of_another_type(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        return Thing(name="a")

    @page.part
    async def more(thing: Other) -> list[str]:
        return [thing.name]


@at_start(r"upstream 'things': Timeout\(attempt=1\) must be below the deadline of 0\.485 s")
def attempt_above_the_deadline(app: Gateway) -> None:
    things = used(app, attempt=1.0)
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        found: Thing = await things.get(Thing, "/")
        return found


@at_start(r"page.thing: limit=1 is above the 0\.485 s that the deadline leaves for parts")
def limit_above_the_deadline(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part(limit=1.0)
    async def thing() -> Thing:
        return Thing(name="a")


@at_start(r"waits for itself: thing → more → thing")
def cycle(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing(more: list[str]) -> Thing:
        return Thing(name=more[0])

    @page.part
    async def more(thing: Thing) -> list[str]:
        return [thing.name]


@at_start(r"Odd has no JSON form: ")
def unrenderable_field(app: Gateway) -> None:
    class Odd(BaseModel, arbitrary_types_allowed=True):
        thing: Opaque

    page = app.aggregate("/page", Odd)

    @page.part
    async def thing() -> Opaque:
        return Opaque()


@at_start(r"what GET /page returns has no JSON form: ")
def unrenderable_answer(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> Opaque:
        return Opaque()


@at_start(
    r"the service 'things' forwards 'authorization', but the answer does not vary by it.*say vary={'authorization'}"
)
def forwarded_but_not_varied_by(app: Gateway) -> None:
    things = used(app, forward={"authorization"})
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        found: Thing = await things.get(Thing, "/")
        return found


@at_start(rf"GET /{{other}} is declared already, at .*{HERE}")
def two_screens_on_one_path(app: Gateway) -> None:
    @app.get("/{name}")
    async def one(name: str) -> str:
        return name

    @app.get("/{other}")
    async def two(other: str) -> str:
        return other


@at_start(r"the field 'thing' has no part and no default; did you mean 'things'\?")
def no_default_and_no_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def more(things: str) -> list[str]:
        return [things]

    @page.part
    async def things() -> str:
        return "a"


@at_start(r"the screen GET /page has no parts")
def screen_without_parts(app: Gateway) -> None:
    app.aggregate("/page", Page)


@at_start(r"part: thing must be an async def")
def part_that_is_not_async(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    def thing() -> Thing:
        return Thing(name="a")


@at_start(r"get\('/page'\): page must be an async def")
def handler_that_is_not_async(app: Gateway) -> None:
    @loose(app).get("/page")  # type: ignore[untyped-decorator]
    def page() -> Thing:
        return Thing(name="a")


@at_start(r"it does not say what it returns")
def part_without_an_annotation(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part
    async def thing():  # type: ignore[no-untyped-def]  # noqa: ANN202 - that is the mistake
        return Thing(name="a")


@at_start(r"it does not say what it returns")
def handler_without_an_annotation(app: Gateway) -> None:
    @loose(app).get("/page")
    async def page():  # type: ignore[no-untyped-def]  # noqa: ANN202 - that is the mistake
        return Thing(name="a")


@at_start(r"the service 'things' is used by no part, handler or proxy; .* say uses={\.\.\.}")
def service_never_used(app: Gateway) -> None:
    app.service("things")


@at_start(rf"'things' is declared already, at .*{HERE}")
def service_declared_twice(app: Gateway) -> None:
    used(app)
    app.service("things")


@at_start(r"thing: a second part of this name")
def part_declared_twice(app: Gateway) -> None:
    page = app.aggregate("/page", Page)
    for _ in range(2):

        @page.part
        async def thing() -> Thing:
            return Thing(name="a")


@at_start(r"purges names 'acount_id', which is no input here; did you mean 'account_id'\?")
def purge_of_an_unknown_input(app: Gateway) -> None:
    @app.put("/page/{account_id}", purges=["home:{acount_id}"])
    async def page(account_id: str) -> None: ...


@at_start(r"takes the fallback of 'thing', which has none")
def fallback_of_a_required_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        return Thing(name="a")

    @page.part
    async def more(thing: OrFallback[Thing]) -> list[str]:
        return [thing.name]


@at_start(r"GET /page: 'thing': GET has no body: say each of its fields as an argument")
def body_of_a_get(app: Gateway) -> None:
    @app.get("/page")
    async def page(thing: Thing) -> Thing:
        return thing


@at_start(r"the path names 'id', which no argument takes")
def path_parameter_unused(app: Gateway) -> None:
    @app.get("/page/{id}")
    async def page() -> str:
        return ""


@at_start(r"argument 'page': its default None is no int; say int \| None")
def default_of_another_type(app: Gateway) -> None:
    @app.get("/page")
    async def page(page: int = None) -> int:  # type: ignore[assignment]  # noqa: RUF013 - that is the mistake
        return page


@at_start(r"argument 'user': its default <object object at .*> is no ")
def default_that_no_document_can_show(app: Gateway) -> None:
    @app.get("/page")
    async def page(user: Any = object()) -> int:  # noqa: B008 - as other frameworks inject things
        return 1


@at_start(r"its annotations cannot be resolved: name 'Thng' is not defined")
def annotation_that_is_not_there(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    async def thing() -> "Thng":  # type: ignore[name-defined]  # noqa: F821 - that is the mistake
        return Thing(name="a")


@pytest.mark.parametrize("name", at_start.names)
def test_a_mistake_is_told_at_start_with_place_and_remedy(name: str) -> None:
    """One line that names file and line, and what would be right; the class of a missing URL has no line."""
    said = at_start.told(name)

    assert len(said.splitlines()) == 1, said
