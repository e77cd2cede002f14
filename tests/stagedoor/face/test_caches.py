"""How answers are kept and told: keys, windows, `Cache-Control`, `Vary`, kept handlers."""

from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from stagedoor import Answer, Cache, Cookie, Gateway, Header, NotFound, Problem, tag
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage


class Thing(BaseModel):
    name: str


class Price(BaseModel):
    price: int


class Page(BaseModel):
    thing: Thing


def kept(vary: Any = frozenset(), **options: Any) -> Gateway:
    app = Gateway("shop")
    things = app.service("things")
    page = app.aggregate("/page/{name}", Page, vary=vary, cache=Cache(max_age=10, **options))

    @page.part
    async def thing(name: str) -> Thing:
        return await things.get(Thing, "/{}", name)

    if options.get("key"):
        options["key"] += ":thing"

    @app.get("/thing/{name}", vary=vary, cache=Cache(max_age=10, **options))
    async def handler(name: str) -> Thing:
        return await things.get(Thing, "/{}", name)

    return app


@pytest.mark.parametrize(
    ("vary", "control", "field"),
    [
        (set(), "public, max-age=10", ""),
        ({"accept-language"}, "public, max-age=10", "accept-language"),
        ({"authorization"}, "private, max-age=10", "authorization"),
        ({Cookie("lang")}, "private, max-age=10", "cookie"),
        ({"X-Tenant", "cookie"}, "private, max-age=10", "cookie, x-tenant"),
    ],
)
@pytest.mark.parametrize("path", ["/page/a", "/thing/a"])
async def test_an_answer_says_who_may_keep_it(vary: Any, control: str, field: str, path: str) -> None:
    """RFC 9111 5.2.2: private where credentials or cookies identify it, else public with Vary."""
    app = kept(vary)
    async with Stage(app) as stage:
        stage[app.services[0]].says({"name": "a"})
        first = await stage.get(path)
        await stage.advance(4)
        hit = await stage.get(path)

        assert (first.header("cache-control"), first.header("vary")) == (control, field)
        assert hit.header("cache-control") == control.replace("10", "6")
        assert first.header("cache-status") == "stagedoor; fwd=miss; stored"
        assert hit.header("cache-status") == "stagedoor; hit; ttl=6"
        assert (first.body, len(stage[app.services[0]].asked)) == (hit.body, 1)


async def test_what_is_not_kept_says_so() -> None:
    """A handler without a cache, unless it says itself."""
    app = Gateway("shop")

    @app.get("/a")
    async def a() -> Thing:
        return Thing(name="a")

    @app.get("/b")
    async def b() -> Answer[Thing]:
        return Answer(Thing(name="b"), headers={"Cache-Control": "public, max-age=5"})

    async with Stage(app) as stage:
        said = [(await stage.get(path)).header("cache-control") for path in ("/a", "/b")]

        assert said == ["no-store", "public, max-age=5"]


@pytest.mark.parametrize("path", ["/page/a", "/thing/a"])
async def test_a_stale_answer_goes_out_while_a_new_one_is_fetched(path: str) -> None:
    """K7, RFC 5861 3: once, in the background, with the caller's own fields."""
    app = kept({"authorization"}, stale_while_revalidate=60)
    [things] = app.services
    async with Stage(app) as stage:
        stage[things].says({"name": "old"}, {"name": "new"})
        await stage.get(path)
        await stage.advance(11)
        stale = await stage.get(path)
        await stage.advance(0.1)
        fresh = await stage.get(path)

        assert (b"old" in stale.body, b"new" in fresh.body, len(stage[things].asked)) == (True, True, 2)
        assert stale.header("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/page/a", "/thing/a"])
async def test_a_readable_key_names_inputs_and_keeps_callers_apart(path: str) -> None:
    """`Cache(key=...)`: what identifies the caller stays part of it (T4), values are escaped (T6)."""
    app = kept({"authorization"}, key="profile:{name}")
    [things] = app.services
    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        for one in ("ann", "bob", "ann"):
            await stage.get(path, authorization=one)
        await stage.get(path + "%3A")

        assert len(stage[things].asked) == 3


async def test_a_readable_key_is_found_in_the_store() -> None:
    """Whoever looks there finds it by the name that was chosen."""
    for number, path in enumerate(("/page/a%3Ab", "/thing/a%3Ab")):
        app = kept()
        [page], [handler] = app.aggregates, app.handlers
        page.cache = Cache(max_age=10, key="page:{name}")
        app.handlers = [replace(handler, cache=Cache(max_age=10, key="thing:{name}"))]
        async with Stage(app) as stage:
            stage[app.services[0]].says({"name": "a"})
            await stage.get(path)
            names = [b"page:a%3Ab", b"thing:a%3Ab"]
            held = [(await stage.running.stores.store.get(name, 10.0)).held is not None for name in names]

            assert held == [number == 0, number == 1]


def test_two_answers_under_one_readable_key_are_refused() -> None:
    """One would be answered with the other's; names of inputs make no difference."""
    app = Gateway("shop")

    @app.get("/a/{x}", cache=Cache(max_age=1, key="thing:{x}"))
    async def a(x: str) -> str:
        return x

    @app.get("/b/{y}", cache=Cache(max_age=1, key="thing:{y}"))
    async def b(y: str) -> str:
        return y

    with pytest.raises(
        ConfigError, match=r"test_caches\.py:\d+: Cache\(key='thing:{y}'\) is that of another answer, at"
    ):
        app.inspected()


@pytest.mark.parametrize(
    "declare",
    [
        lambda app, keyed: app.service("a", cache=keyed),
        lambda app, keyed: app.source(safe=True, cache=keyed),
        lambda app, keyed: app.aggregate("/", Page).part(cache=keyed),
    ],
)
def test_a_readable_key_is_for_whole_answers(declare: Any) -> None:
    """Calls are kept by all that they send, parts by their arguments."""
    with pytest.raises(
        ConfigError, match=r"test_caches\.py:\d+: Cache\(key=...\) is for screens and handlers"
    ):
        declare(Gateway("shop"), Cache(max_age=1, key="a"))


async def test_two_screens_of_one_model_share_nothing() -> None:
    """They have one name, and two paths."""
    app = Gateway("shop")
    for path in ("/a", "/b"):
        page = app.aggregate(path, Page, cache=Cache(max_age=60))

        @page.part
        async def thing(path: str = path) -> Thing:
            return Thing(name=path)

    async with Stage(app) as stage:
        said = [(await stage.get(path)).read(Page).thing.name for path in ("/a", "/b", "/a")]

        assert said == ["/a", "/b", "/a"]


async def test_a_kept_handler_keeps_its_fields_and_status() -> None:
    """What it returned is what every caller gets, until it ends."""
    app = Gateway("shop")
    made: list[int] = []

    @app.get("/a", cache=Cache(max_age=60))
    async def a() -> Answer[Thing]:
        made.append(1)
        return Answer(Thing(name="a"), status=203, headers={"X-Made": "1"})

    @app.get("/none", cache=Cache(max_age=60))
    async def none() -> Thing | None:
        made.append(2)
        return None

    async with Stage(app) as stage:
        for _ in range(2):
            answer, nothing = await stage.get("/a"), await stage.get("/none")
            assert (answer.status, answer.header("x-made"), answer.read(Thing).name) == (203, "1", "a")
            assert (nothing.status, nothing.body, nothing.header("content-type")) == (204, b"", "")
        assert made == [1, 2]


async def test_a_kept_handler_that_says_what_caches_may_do_is_not_kept() -> None:
    """Its own word goes out, alone, and counts here too."""
    app = Gateway("shop")
    made: list[int] = []

    @app.get("/a", cache=Cache(max_age=60))
    async def a() -> Answer[Thing]:
        made.append(1)
        return Answer(Thing(name="a"), headers={"cache-control": "no-store, private"})

    async with Stage(app) as stage:
        said = [(await stage.get("/a")).header("cache-control") for _ in range(2)]

        assert (said, len(made)) == (["no-store, private"] * 2, 2)


async def test_an_answer_that_sets_cookies_is_nobody_elses() -> None:
    """T4, K5: neither kept nor joined."""
    app = Gateway("shop")
    made: list[int] = []

    @app.get("/a", cache=Cache(max_age=60))
    async def a() -> Answer[Thing]:
        made.append(1)
        return Answer(Thing(name="a"), cookies=[f"sid={len(made)}; HttpOnly", "b=2"])

    async with Stage(app) as stage:
        said = [await stage.get("/a") for _ in range(2)]

        assert [one.header("set-cookie") for one in said] == ["sid=1; HttpOnly, b=2", "sid=2; HttpOnly, b=2"]
        assert said[0].header("cache-control") == "no-store"


async def test_tags_found_on_the_way_drop_the_answer() -> None:
    """`tag()` in a part, and those of a service's cache."""
    app = Gateway("shop")
    things = app.service("things", cache=Cache(max_age=600, tags=["thing:{name}"]))
    page = app.aggregate("/page/{name}", Page, cache=Cache(max_age=600))

    @page.part
    async def thing(name: str) -> Thing:
        found = await things.get(Thing, "/{}", name)
        tag("found:{}", found.name)
        return found

    async with Stage(app) as stage:
        stage[things].says({"name": "f/g"})
        states = []
        for name, value in (("none:{}", 1), ("found:{}", "f/g"), ("thing:{}", "a")):
            await stage.get("/page/a")
            await stage.running.purge(name, value)
            states.append((await stage.get("/page/a")).parts["thing"])

        assert (states, len(stage[things].asked)) == (["cached", "cached", "fresh"], 2)


async def test_a_kept_answer_survives_what_its_takers_do() -> None:
    """K8: reading an entry cannot change it; `run` hands out a model of its own."""
    app = kept()
    [page] = app.aggregates
    async with Stage(app) as stage, stage.running.request():
        stage[app.services[0]].says({"name": "a"})
        states = []
        for _ in range(3):
            result = await stage.run(page.run(name="a"))
            states.append((result.value.thing.name, result.parts["thing"].state))
            result.value.thing.name = "changed"

        assert states == [("a", "fresh"), ("a", "cached"), ("a", "cached")]


async def test_an_input_field_is_part_of_the_key() -> None:
    """T5: of a handler too."""
    app = Gateway("shop")

    @app.get("/a", cache=Cache(max_age=60))
    async def a(accept_language: Annotated[str, Header()] = "") -> Thing:
        return Thing(name=accept_language)

    async with Stage(app) as stage:
        said = [(await stage.get("/a", accept_language=one)).read(Thing).name for one in ("de", "en", "de")]

        assert said == ["de", "en", "de"]


@pytest.mark.parametrize(
    "options",
    [
        {"max_age": 0},
        {"max_age": -1},
        {"max_age": float("inf")},
        {"max_age": "10"},
        {"max_age": True},
        {"max_age": 1, "stale_if_error": -1},
        {"max_age": 1, "stale_while_revalidate": float("nan")},
        {"max_age": 1, "tags": [""]},
        {"max_age": 1, "private": "no"},
        {"max_age": 1, "from_start": 1},
        {"max_age": 1, "key": "a:{"},
    ],
)
def test_a_cache_that_cannot_work_is_refused(options: Any) -> None:
    """Where it is written, with what would be right."""
    with pytest.raises(ConfigError, match=r"Cache\("):
        Cache(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"status": 404}, "an error is a Problem"),
        ({"headers": {"a": 1}}, "header 'a' is int"),
        ({"cookies": "a=1"}, "cookies is a list"),
        ({"cookies": {"a": "1"}}, "cookies is a list"),
        ({"status": "201"}, "between 200 and 399"),
        ({"headers": [("a", "b")]}, "headers are a mapping"),
    ],
)
def test_an_answer_that_is_none_says_what_it_should_be(options: Any, words: str) -> None:
    """At the line that makes it."""
    with pytest.raises((ValueError, TypeError), match=words):
        Answer(1, **options)


async def test_t15_no_key_shows_what_a_caller_sent() -> None:
    """T15: keys lie in shared stores: of a service, a screen, a handler, a part; forwarded, varied by, or an input."""
    app = Gateway("shop")
    things = app.service("things", forward={"authorization"}, cache=Cache(max_age=60))
    page = app.aggregate("/page", Page, vary={"authorization"}, cache=Cache(max_age=60))

    @page.part(cache=Cache(max_age=60))
    async def thing(authorization: Annotated[str, Header()], sid: Annotated[str, Cookie("sid")]) -> Thing:
        return await things.get(Thing, "/")

    @app.get("/handler", cache=Cache(max_age=60))
    async def handler(authorization: Annotated[str, Header()]) -> Thing:
        return await things.get(Thing, "/")

    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        for path in ("/page", "/handler"):
            await stage.get(path, authorization="Bearer secret", cookie="sid=secret")
        store: Any = stage.running.stores.store

        assert len(store._held) == 4  # noqa: SLF001 - what would lie in Redis
        assert not [key for key in store._held if b"secret" in key]  # noqa: SLF001


async def test_a_problem_ends_what_a_handler_kept() -> None:
    """K9: gone is what there is to say now; an outage lets the old answer stand in."""
    app = Gateway("shop")
    errors: list[Problem | None] = [None, Problem(503), NotFound(), Problem(503)]

    @app.get("/a", cache=Cache(max_age=10, stale_if_error=600))
    async def a() -> Thing:
        error = errors.pop(0)
        if error is not None:
            raise error
        return Thing(name="a")

    async with Stage(app) as stage:
        statuses = []
        for _ in range(4):
            statuses.append((await stage.get("/a")).status)
            await stage.advance(11)

        assert statuses == [200, 200, 404, 503]


async def test_a_problem_ends_what_a_part_kept() -> None:
    """The same for parts that are kept one by one."""
    app = Gateway("shop")
    page = app.aggregate("/page", Page)
    errors: list[Problem | None] = [None, Problem(503), NotFound(), Problem(503)]

    @page.part(cache=Cache(max_age=10, stale_if_error=600))
    async def thing() -> Thing:
        error = errors.pop(0)
        if error is not None:
            raise error
        return Thing(name="a")

    async with Stage(app) as stage:
        statuses = []
        for _ in range(4):
            statuses.append((await stage.get("/page")).status)
            await stage.advance(11)

        assert statuses == [200, 200, 404, 503]


@pytest.mark.parametrize("path", ["/call", "/source", "/part"])
async def test_k7_what_is_slow_is_renewed_behind_the_answer_too(path: str) -> None:
    """K7: a renewal had one second, however long a call may take, so that a slow one was asked in vain each time."""
    app = Gateway("shop", deadline=5.0)
    prices = app.service("prices", attempt=4)
    kept = Cache(max_age=60, renew_after=50)
    page = app.aggregate("/part", Price)

    @app.get("/call")
    async def call() -> int:
        return await prices.get(int, "/", cache=kept)

    @app.source(safe=True, attempt=4, cache=kept)
    async def told() -> int:
        return await prices.get(int, "/")

    @app.get("/source")
    async def sourced() -> int:
        return await told()

    @page.part(cache=kept)
    async def price() -> int:
        return await prices.get(int, "/")

    async with Stage(app) as stage:
        for number in range(3):
            stage[prices].after(2).says(number)
        bodies = []
        for seconds in (0, 55, 3):
            await stage.advance(seconds)
            bodies.append((await stage.get(path)).body)

        assert [one[-2:].strip(b":}") for one in bodies] == [b"0", b"0", b"1"]
        assert len(stage[prices].asked) == 2
