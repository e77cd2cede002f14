"""Mistakes of a new user in what surrounds screens: each ends at start, in one message with place and remedy."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Gateway, Settings
from stagedoor.errors import ConfigError
from stagedoor.policies import Retry
from tests.stagedoor.face.mistakes import Declare, Mistakes, Page, Thing, loose, used

at_start = Mistakes()
loose_gateway: Any = Gateway


@at_start(r"settings is a Settings, as in Settings\(port=8000\), not dict")
def settings_as_a_dict(app: Gateway) -> None:
    loose_gateway("other", settings={"port": 1})


@at_start(r"lifespan=opened cannot be entered: let it yield once, under @asynccontextmanager")
def lifespan_of_a_coroutine(app: Gateway) -> None:
    async def opened(running: object) -> None:
        """Open."""

    loose_gateway("other", lifespan=opened)


@at_start(r"lifespan=opened cannot be entered")
def lifespan_without_its_decorator(app: Gateway) -> None:
    async def opened(running: object) -> AsyncIterator[None]:
        yield

    loose_gateway("other", lifespan=opened)


@at_start(r"lifespan=1 cannot be entered")
def lifespan_of_a_number(app: Gateway) -> None:
    loose_gateway("other", lifespan=1)


@at_start(r"'<uid>' in '/home/<uid>' is no parameter: write {uid}")
def parameter_in_angles(app: Gateway) -> None:
    app.aggregate("/home/<uid>", Page)


@at_start(r"'<int:uid>' in '/home/<int:uid>' is no parameter: write {uid}")
def parameter_of_flask(app: Gateway) -> None:
    app.get("/home/<int:uid>")


@at_start(r"'\*' in '/f/\*' is no parameter: write {rest:path}")
def wildcard(app: Gateway) -> None:
    app.proxy("/f/*", used(app))


@at_start(r"':uid' in '/home/:uid' is no parameter: write {uid}")
def parameter_with_a_colon(app: Gateway) -> None:
    app.get("/home/:uid")


@at_start(r"GET /page\.thing: 'theirs' of uses= is another gateway's")
def service_of_another_gateway(app: Gateway) -> None:
    page = app.aggregate("/page", Page)

    @page.part(uses={Gateway("other").service("theirs")})
    async def thing() -> Thing:
        return Thing(name="a")


@at_start(r"attempt=0\.1 is ignored beside policies: say Timeout\(attempt=0\.1\) among them")
def attempt_of_a_service_beside_policies(app: Gateway) -> None:
    app.service("things", attempt=0.1, policies=[Retry()])


@at_start(r"attempt=0\.1 is ignored beside policies")
def attempt_of_a_source_beside_policies(app: Gateway) -> None:
    app.source(attempt=0.1, policies=[Retry()])


@at_start(r"attempt=0\.1 is ignored beside policies")
def attempt_of_an_upstream_beside_policies(app: Gateway) -> None:
    loose(app).upstream("things", None, attempt=0.1, policies=[Retry()])


@at_start(r"the path names 'name', which is this part too: rename one")
def part_and_path_of_one_name(app: Gateway) -> None:
    class Named(BaseModel):
        name: str

    page = app.aggregate("/page/{name}", Named)

    @page.part
    async def name() -> str:
        return "a"


def page_with_a_summary(app: Gateway) -> Any:
    """Declare a screen of which nothing is wrong yet; return it for what a type checker refuses."""
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    async def thing() -> Thing:
        return Thing(name="a")

    @page.summary  # type: ignore[untyped-decorator]
    def more(thing: Thing) -> list[str]:
        return [thing.name]

    return page


@at_start(r"summary: more must be a plain def: nothing awaits it")
def summary_that_is_async(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.summary  # type: ignore[untyped-decorator]
    async def more() -> list[str]:
        return []


@at_start(r"delivered: told must be a plain def: nothing awaits it")
def completion_that_is_async(app: Gateway) -> None:
    @page_with_a_summary(app).delivered  # type: ignore[untyped-decorator]
    async def told(more: list[str], delivery: object) -> list[str]:
        return more


@at_start(r"delivered: told must take the summary and the delivery")
def completion_of_the_summary_alone(app: Gateway) -> None:
    @page_with_a_summary(app).delivered  # type: ignore[untyped-decorator]
    def told(more: list[str]) -> list[str]:
        return more


@at_start(r"the summary is completed already, at \S+test_mistakes_in_declarations\.py:\d+")
def two_completions(app: Gateway) -> None:
    page = page_with_a_summary(app)

    def told(more: list[str], delivery: object) -> list[str]:
        return more

    page.delivered(told)
    page.delivered(told)


@at_start(r"delivered completes a summary, and there is none: say @screen\.summary too")
def completion_without_a_summary(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    async def thing() -> Thing:
        return Thing(name="a")

    @page.delivered  # type: ignore[untyped-decorator]
    def told(more: list[str], delivery: object) -> list[str]:
        return more


@at_start(r"delivered decorates a function, not int")
def completion_of_a_number(app: Gateway) -> None:
    page_with_a_summary(app).delivered(1)


@at_start(r"part: thing yields; it must return its value, once")
def part_that_yields(app: Gateway) -> None:
    page: Any = app.aggregate("/page", Page)

    @page.part  # type: ignore[untyped-decorator]
    async def thing() -> AsyncIterator[Thing]:
        yield Thing(name="a")


@at_start(r"lifespan=opened cannot be entered: let it yield once, under @asynccontextmanager")
def lifespan_under_the_other_decorator(app: Gateway) -> None:
    @contextmanager
    def opened(running: object) -> Iterator[None]:
        yield

    loose_gateway("other", lifespan=opened)


@at_start(r"lifespan: opened must take the running gateway")
def lifespan_without_an_argument(app: Gateway) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        yield

    loose_gateway("other", lifespan=opened)


@at_start(r"policies: Slack: wrap must be a plain def: nothing awaits it")
def policy_that_wraps_async(app: Gateway) -> None:
    class Slack:
        async def wrap(self, send: object, env: object) -> object:
            return send

    loose(app).service("things", policies=[Slack()])


@at_start(r"policies: Slack: wrap must take the Send inside of it and the Env")
def policy_that_wraps_without_the_world(app: Gateway) -> None:
    class Slack:
        def wrap(self, send: object) -> object:
            return send

    loose(app).service("things", policies=[Slack()])


@at_start(r"make is a function of the Env, not 1")
def upstream_of_a_number(app: Gateway) -> None:
    loose(app).upstream("things", 1)


@at_start(r"make: make must be a plain def: nothing awaits it")
def upstream_made_async(app: Gateway) -> None:
    async def make(env: object) -> object:
        return env

    loose(app).upstream("things", make)


@at_start(r"make: make must take the Env")
def upstream_made_of_nothing(app: Gateway) -> None:
    def make() -> object:
        return 1

    loose(app).upstream("things", make)


@at_start(r"extend: make must take the running gateway")
def extension_made_of_nothing(app: Gateway) -> None:
    def make() -> object:
        return 1

    loose(app).extend(make)


@pytest.mark.parametrize("name", at_start.names)
def test_a_wrong_declaration_is_told_at_start_with_place_and_remedy(name: str) -> None:
    """It was ignored, taken literally or told by a stack of the kit's own."""
    said = at_start.told(name)

    assert len(said.splitlines()) == 1, said


def test_settings_of_their_kind_are_taken() -> None:
    """The remedy that the message names."""
    assert Gateway("other", settings=Settings(port=1)).settings == Settings(port=1)


class Forgetful:
    """A policy whose `wrap` returns nothing."""

    def wrap(self, send: object, env: object) -> None:
        """Forget to return."""


def with_a_policy_that_returns_nothing(app: Gateway) -> None:
    used(app, url="http://127.0.0.1:9", policies=[Forgetful()])


def with_a_transport_that_is_none(app: Gateway) -> None:
    things = loose(app).upstream("things", lambda _: object())

    @app.get("/things")
    async def found() -> str:
        return str(await things.call("look", 1))


def with_an_extension_that_is_none(app: Gateway) -> None:
    loose(app).extend(lambda _: [])


def with_a_lifespan_that_is_none(app: Gateway) -> None:
    app.get("/things")(found)


def with_middleware_that_forgets(app: Gateway) -> None:
    app.get("/things")(found)


async def found() -> str:
    return "a"


def opened(_: object) -> Any:
    """Return nothing."""


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (
            with_a_policy_that_returns_nothing,
            r"upstream 'things': Forgetful\.wrap returned NoneType, not the async def that goes round the Send",
        ),
        (
            with_a_transport_that_is_none,
            r"py:\d+: upstream 'things': make returns a Transport, not object, which lacks send, key_of, idem",
        ),
        (
            with_an_extension_that_is_none,
            r"py:\d+: extend: what it is given returns an Extension, not list",
        ),
        (with_middleware_that_forgets, r"py:\d+: middleware opened returned NoneType, not an application"),
        (
            with_a_lifespan_that_is_none,
            r"py:\d+: lifespan=opened cannot be entered, for it returned NoneType: let it yield once, under @async",
        ),
    ],
)
async def test_what_a_function_of_ones_own_forgot_to_make_is_told_when_the_gateway_is_built(
    declare: Declare, words: str
) -> None:
    """A policy that returned nothing made each request a 500, the others a stack of the kit's own."""
    lifespan = opened if declare is with_a_lifespan_that_is_none else None
    middleware = [opened] if declare is with_middleware_that_forgets else []
    app = Gateway("shop", lifespan=lifespan, middleware=middleware)
    declare(app)

    with pytest.raises(ConfigError, match=words):
        async with app.build():
            pass
