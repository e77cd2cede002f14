"""Mistakes of a new user: each ends at start, or at the first request, in one message with place and remedy."""

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, RootModel

from stagedoor import Cache, Gateway, OrFallback, Settings
from stagedoor.errors import ConfigError
from stagedoor.policies import Retry

HERE = r"test_mistakes\.py:\d+"


class Thing(BaseModel):
    name: str


class Other(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing
    more: list[str] = []


class Opaque:
    """A class that no JSON knows."""


Declare = Callable[[Gateway], object]
AT_START: dict[str, tuple[Declare, str]] = {}


def at_start(words: str) -> Callable[[Declare], Declare]:
    """Note a mistake that must end before anybody is served, and what must be said."""

    def note(declare: Declare) -> Declare:
        AT_START[declare.__name__] = declare, words
        return declare

    return note


def used(app: Gateway, **options: Any) -> Any:
    """Declare a service that is used."""
    service = app.service("things", **options)
    app.proxy("/things", service)
    return service


def loose(app: Gateway) -> Any:
    """Return the gateway for what a type checker refuses."""
    return app


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


@at_start(r"deadline=165 is seconds, above 0 and at most 30; 165 ms are 0\.165")
def deadline_in_milliseconds(app: Gateway) -> None:
    Gateway("other", deadline=165)


@at_start(r"attempt='80ms'|attempt is seconds, not '80ms'")
def attempt_as_text(app: Gateway) -> None:
    loose(app).service("things", attempt="80ms")


@at_start(r"limit=0 is seconds, above 0")
def limit_of_nothing(app: Gateway) -> None:
    app.aggregate("/page", Page).part(limit=0)


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


@at_start(r"the path begins with|a path begins with a slash, as in '/home/{account_id}', not <function")
def forgotten_path(app: Gateway) -> None:
    async def thing() -> Thing:
        return Thing(name="a")

    loose(app).get(thing)


@at_start(r"policies holds policies such as Retry\(\), not Retry")
def forgotten_parentheses(app: Gateway) -> None:
    loose(app).service("things", policies=[Retry])


@at_start(r"policies is a list, outermost first")
def policies_without_a_list(app: Gateway) -> None:
    loose(app).service("things", policies=Retry())


@at_start(r"cache is a Cache, as in cache=Cache\(max_age=10\), not 10")
def cache_of_a_number(app: Gateway) -> None:
    loose(app).aggregate("/page", Page, cache=10)


@at_start(r"service 'things': 'things:8001' is no address; one is http://host:port")
def url_without_scheme(app: Gateway) -> None:
    app.service("things", "things:8001")


@at_start(r"the address of a service is missing: set SHOP_THINGS_URL, or give url=")
def url_missing(app: Gateway) -> None:
    used(app)
    app.made()


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


@at_start(r"Cache\(tags='x'\): a list of tags, as in \['x'\]")
def tags_as_text(app: Gateway) -> None:
    loose_cache: Any = Cache
    loose_cache(max_age=1, tags="x")


@at_start(r"purges is a list of tags, as in \['x'\]")
def purges_as_text(app: Gateway) -> None:
    app.put("/page", purges="x")


@at_start(r"forward is a set of names, as in {\"authorization\"}, not 'authorization'")
def forward_as_text(app: Gateway) -> None:
    loose(app).service("things", forward="authorization")


@at_start(r"vary is a set of names, as in {\"authorization\"}, not 'authorization'")
def vary_as_text(app: Gateway) -> None:
    loose(app).aggregate("/page", Page, vary="authorization")


@at_start(r"purges names 'acount_id', which is no input here; did you mean 'account_id'\?")
def purge_of_an_unknown_input(app: Gateway) -> None:
    @app.put("/page/{account_id}", purges=["home:{acount_id}"])
    async def page(account_id: str) -> None: ...


@at_start(r"a service's name is an identifier such as 'accounts', not 'user-service'")
def service_named_with_a_dash(app: Gateway) -> None:
    app.service("user-service")


@at_start(r"a gateway's name is lower case such as 'shop', not 'My Shop'")
def gateway_named_with_a_space(app: Gateway) -> None:
    Gateway("My Shop")


@at_start(r"a screen is a pydantic model with fields, not <class '.*Names'>")
def screen_of_a_list(app: Gateway) -> None:
    class Names(RootModel[list[str]]):
        pass

    app.aggregate("/page", Names)


@at_start(r"a screen is a pydantic model with fields, not <class 'dict'>")
def screen_of_no_model(app: Gateway) -> None:
    loose(app).aggregate("/page", dict)


@at_start(r"takes the fallback of 'thing', which has none")
def fallback_of_a_required_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        return Thing(name="a")

    @page.part
    async def more(thing: OrFallback[Thing]) -> list[str]:
        return [thing.name]


@at_start(r"status=404 is that of a success, 200 to 299")
def handler_with_the_status_of_an_error(app: Gateway) -> None:
    app.post("/page", status=404)


@at_start(r"GET /page: 'thing': GET has no body")
def body_of_a_get(app: Gateway) -> None:
    @app.get("/page")
    async def page(thing: Thing) -> Thing:
        return thing


@at_start(r"the path names 'id', which no argument takes")
def path_parameter_unused(app: Gateway) -> None:
    @app.get("/page/{id}")
    async def page() -> str:
        return ""


@at_start(r"Settings\(port=\.\.\.\): '8000' must be a port from 0 to 65535")
def port_as_text(app: Gateway) -> None:
    loose_settings: Any = Settings
    loose_settings(port="8000")


@at_start(r"proxy leads to a service, not to 'things'")
def proxy_to_a_name(app: Gateway) -> None:
    loose(app).proxy("/page", "things")


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


@at_start(r"part decorates a function with a name, not partial")
def part_of_a_partial(app: Gateway) -> None:
    async def thing(name: str) -> Thing:
        return Thing(name=name)

    app.aggregate("/page", Page).part(functools.partial(thing, "a"))


@at_start(r"its annotations cannot be resolved: name 'Thng' is not defined")
def annotation_that_is_not_there(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    async def thing() -> "Thng":  # type: ignore[name-defined]  # noqa: F821 - that is the mistake
        return Thing(name="a")


NAMED_BY_THE_CALL = {
    "url_missing",
    "tags_as_text",
    "port_as_text",
}  # a setting's name, or the call as it stands


@pytest.mark.parametrize("name", AT_START)
def test_a_mistake_is_told_at_start_with_place_and_remedy(name: str) -> None:
    """One line that names file and line, and what would be right; the class of a missing URL has no line."""
    declare, words = AT_START[name]
    app = Gateway("shop")

    with pytest.raises((ConfigError, TypeError), match=words) as caught:
        inspected(declare, app)

    said = str(caught.value)
    assert len(said.splitlines()) == 1, said
    assert name in NAMED_BY_THE_CALL or re.search(HERE, said), said


def inspected(declare: Declare, app: Gateway) -> None:
    declare(app)
    app.inspected()
