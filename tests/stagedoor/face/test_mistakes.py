"""Mistakes of a new user: each ends at start, or at the first request, in one message with place and remedy."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Answer, Cache, Gateway, OrFallback, Settings
from stagedoor.errors import ConfigError
from stagedoor.policies import Retry
from stagedoor.testing import Stage

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
AT_FIRST: dict[str, tuple[Declare, str]] = {}


def at_start(words: str) -> Callable[[Declare], Declare]:
    """Note a mistake that must end before anybody is served, and what must be said."""

    def note(declare: Declare) -> Declare:
        AT_START[declare.__name__] = declare, words
        return declare

    return note


def at_first(words: str) -> Callable[[Declare], Declare]:
    """Note a mistake that only the first request to /page can show."""

    def note(declare: Declare) -> Declare:
        AT_FIRST[declare.__name__] = declare, words
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


@at_start(r"a screen is a pydantic model, not <class 'dict'>")
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


@at_first(r"GET /page: the service 'things' forwards 'authorization', but the answer does not vary by it")
def forwarded_by_a_handler_that_does_not_vary(app: Gateway) -> None:
    things = used(app, forward={"authorization"})

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/")
        return found


@at_first(r"returned dict, its annotation promises Thing")
def dict_from_a_handler(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> Thing:
        return {"name": "a"}  # type: ignore[return-value]


@at_first(r"returned dict, its annotation promises Thing")
def dict_from_a_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        return {"name": "a"}  # type: ignore[return-value]


@at_first(r"returned dict, its annotation promises Thing")
def dict_in_an_answer(app: Gateway) -> None:
    @app.get("/page")
    async def page() -> Answer[Thing]:
        return Answer({"name": "a"})  # type: ignore[arg-type]


@at_first(r"returned NoneType, its annotation promises Thing")
def nothing_from_a_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:  # type: ignore[return]
        await asyncio.sleep(0)


@at_first(r"returned coroutine, its annotation promises Thing: was `await` forgotten\?")
def forgotten_await(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    async def late() -> Thing:
        return Thing(name="a")

    @page.part
    async def thing() -> Thing:
        return late()  # type: ignore[return-value]


@at_first(r"blocks the event loop, .*: await instead, or use asyncio\.to_thread")
def blocking_call_in_a_part(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part
    async def thing() -> Thing:
        time.sleep(0.3)  # noqa: ASYNC251 - that is the mistake
        return Thing(name="a")


@at_first(r"body is bytes, not str: encode it")
def text_in_place_of_bytes(app: Gateway) -> None:
    things: Any = used(app)

    @app.get("/page")
    async def page() -> int:
        answer = await things.request("PUT", "/", body="text")
        return int(answer.status)


@at_first(
    r"'/things\?a=1': a path holds no query and nothing unencoded; give values as segments for {} and `query=`"
)
def query_in_a_path(app: Gateway) -> None:
    things = used(app)

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/things?a=1")
        return found


@at_first(r"'/things/{}' takes 1 segments, 0 given")
def segment_forgotten(app: Gateway) -> None:
    things = used(app)

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/things/{}")
        return found


@at_first(r"'Thing' is no type; give a class, a generic such as list\[Item\], or a TypeAdapter")
def name_in_place_of_a_type(app: Gateway) -> None:
    things = used(app)

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get("Thing", "/things")
        return found


@at_first(r"the tag 'thing:{}' takes 1 values, 0 given")
def tag_without_its_value(app: Gateway) -> None:
    from stagedoor import tag  # noqa: PLC0415 - beside its one use

    page = app.aggregate("/page", Page, cache=Cache(max_age=1))

    @page.part
    async def thing() -> Thing:
        tag("thing:{}")
        return Thing(name="a")


@at_first(r"the service 'elsewhere' belongs to another gateway than 'shop'")
def service_of_another_gateway(app: Gateway) -> None:
    elsewhere = Gateway("other").service("elsewhere")

    @app.get("/page")
    async def page() -> Thing:
        return await elsewhere.get(Thing, "/things")


@at_first(r"service 'things': Cache\(tags=\.\.\.\) names 'name', which is no input here; there are none")
def tag_of_a_service_names_no_input(app: Gateway) -> None:
    things = used(app, cache=Cache(max_age=1, tags=["thing:{name}"]))

    @app.get("/page")
    async def page() -> Thing:
        found: Thing = await things.get(Thing, "/things")
        return found


@pytest.mark.parametrize("name", AT_FIRST)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_a_mistake_is_told_at_the_first_request_with_place_and_remedy(name: str) -> None:
    """A TypeError or RuntimeError at once: the message, or the line it comes from, names the place."""
    declare, words = AT_FIRST[name]
    app = Gateway("shop")
    declare(app)

    async with Stage(app) as stage:
        for service in app.services:
            stage[service].says({"name": "a"})
        with pytest.raises((TypeError, RuntimeError, ConfigError), match=words) as caught:
            await stage.get("/page")

    files = [frame.path for frame in caught.traceback]
    assert "test_mistakes.py:" in str(caught.value) or any(
        str(file).endswith("test_mistakes.py") for file in files
    )
