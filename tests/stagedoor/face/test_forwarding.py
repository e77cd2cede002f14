"""A service sees of the caller exactly what its `forward` says."""

import pytest
from pydantic import BaseModel

from stagedoor import Aggregate, Cache, Cookie, Gateway
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, Stage

CANARIES = {
    "accept": "canary-accept",
    "accept_language": "canary-language",
    "authorization": "canary-authorization",
    "cookie": "sid=canary-sid; _ga=canary-ga",
    "forwarded": "for=canary-forwarded",
    "if_none_match": '"canary-etag"',
    "origin": "https://canary-origin.example",
    "range": "bytes=canary-range",
    "referer": "https://canary-referer.example",
    "user_agent": "canary-agent",
    "x_api_key": "canary-key",
    "x_forwarded_for": "canary-for",
    "x_forwarded_host": "canary-host",
    "x_http_method_override": "canary-method",
    "x_original_url": "/canary-url",
    "x_real_ip": "canary-ip",
    "x_tenant": "canary-tenant",
}


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


async def test_nothing_of_the_caller_goes_on_unless_it_is_named() -> None:
    """T4, T5: a canary in every field and cookie shows nowhere, but request id and trace."""
    app = Gateway("shop")
    things = app.service("things")

    @app.get("/things/{name}")
    async def thing(name: str) -> Thing:
        return await things.get(Thing, "/things/{}", name)

    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        answer = await stage.get("/things/a", **CANARIES, x_request_id="wanted")
        [asked] = stage[things].asked

        assert "canary" not in repr([(name, asked.headers.all(name)) for name in asked.headers])
        assert set(asked.headers) == {"accept"}
        assert "canary" not in answer.body.decode()


@pytest.mark.parametrize(
    ("forward", "seen"),
    [
        ({"Authorization"}, {"authorization": ["canary-authorization"]}),
        ({Cookie("sid")}, {"cookie": ["sid=canary-sid"]}),
        ({"cookie"}, {"cookie": ["sid=canary-sid; _ga=canary-ga"]}),
        (
            {"x-tenant", "accept-language"},
            {"x-tenant": ["canary-tenant"], "accept-language": ["canary-language"]},
        ),
        ({"x-missing"}, {}),
    ],
)
async def test_what_is_named_goes_on_and_nothing_else(
    forward: set[str | Cookie], seen: dict[str, list[str]]
) -> None:
    """Tenant, language, single cookies: each by its name, in any case."""
    app = Gateway("shop")
    things = app.service("things", forward=forward, headers={"X-Static": "s"})

    @app.post("/things")
    async def thing() -> Thing:
        return await things.get(Thing, "/things")

    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        await stage.post("/things", **CANARIES)
        headers = stage[things].asked[0].headers

        found = {name: headers.all(name) for name in headers if name not in {"accept", "x-static"}}
        assert (found, headers["x-static"]) == (seen, "s")


async def test_every_line_of_a_field_goes_on_as_it_came() -> None:
    """A field may come in lines, and an empty line is a line."""
    app = Gateway("shop")
    things = app.service("things", forward={"x-role"})

    @app.get("/things", vary={"x-role"})
    async def thing() -> Thing:
        return await things.get(Thing, "/things")

    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        lines = ((b"x-role", b"a"), (b"x-role", b""), (b"x-role", b"b, c"))
        await stage.run(Client(stage.running).ask("/things", headers=lines))

        assert stage[things].asked[0].headers.all("x-role") == ["a", "", "b, c"]


async def test_a_call_that_forwards_what_its_answer_does_not_vary_by_is_not_sent() -> None:
    """T4: hidden from `check`, it raises before it is sent, and says what to do."""
    app = Gateway("shop")
    things = app.service("things", forward={"authorization"})
    hidden = {"things": things}

    @app.get("/things")
    async def thing() -> Thing:
        return await hidden["things"].get(Thing, "/things")

    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        with pytest.raises(
            ConfigError, match=r"'things' forwards 'authorization'.*say vary={'authorization'}"
        ) as caught:
            await stage.get("/things", authorization="Bearer a")

        assert "GET /things" in str(caught.value)
        assert not stage[things].asked


async def test_a_screen_that_does_not_vary_by_what_its_parts_forward_is_refused_at_start() -> None:
    """Its code names the service: file, line and remedy before anybody asks."""
    app = Gateway("shop")
    things = app.service("things", forward={"authorization", Cookie("sid")})
    page = app.aggregate("/page", Page, vary={"authorization"})

    @page.part
    async def thing() -> Thing:
        return await things.get(Thing, "/things")

    with pytest.raises(ConfigError, match=r"test_forwarding\.py:\d+: .*forwards Cookie\(name='sid'\)"):
        app.inspected()


def test_check_tells_of_handlers_too() -> None:
    """A finding, and no error at start: a handler may name a service that it does not ask."""
    app = Gateway("shop")
    things = app.service("things", forward={"authorization"})

    @app.get("/things")
    async def thing() -> Thing:
        return await things.get(Thing, "/things")

    @app.post("/things")
    async def made() -> Thing:
        return await things.get(Thing, "/things")

    [doubt] = app.inspected().doubts

    assert "test_forwarding.py:" in doubt
    assert "GET /things: the service 'things' forwards 'authorization'" in doubt


def own_page(app: Gateway) -> Aggregate[Page]:
    """Declare a page that is somebody's own."""
    things = app.service("things", forward={"authorization"})
    page = app.aggregate("/own", Page, vary={"authorization"})

    @page.part
    async def thing() -> Thing:
        return await things.get(Thing, "/things")

    return page


def test_a_part_that_runs_a_screen_of_somebodys_own_is_refused_at_start() -> None:
    """T4: it was told at the first request, of a service by the screen's name."""
    app = Gateway("shop")
    own = own_page(app)
    everybodys = app.aggregate("/everybodys", Page)

    @everybodys.part
    async def thing() -> Thing:
        return (await own.run()).value.thing

    with pytest.raises(ConfigError) as caught:
        app.inspected()

    assert "test_forwarding.py:" in str(caught.value)
    assert (
        "GET /everybodys.thing: the screen 'page', which it runs, varies by 'authorization', and the answer does not, "
        "so that one caller could get another's: say vary={'authorization'}"
    ) in str(caught.value)


async def test_a_handler_that_runs_a_screen_of_somebodys_own_is_told_by_check_and_refused() -> None:
    """T4: one of POST may, for nobody else gets its answer."""
    app = Gateway("shop")
    own = own_page(app)

    @app.get("/things")
    async def thing() -> Thing:
        return (await own.run()).value.thing

    @app.post("/things")
    async def made() -> Thing:
        return (await own.run()).value.thing

    [doubt] = app.inspected().doubts

    assert "GET /things: the screen 'page', which it runs, varies by 'authorization'" in doubt
    async with Stage(app) as stage:
        with pytest.raises(ConfigError, match="GET /things: the screen 'page', which it runs, varies by"):
            await stage.get("/things")


def shared_page(app: Gateway) -> None:
    """Declare a page that says who asked."""
    things = app.service("things", forward={"authorization"})
    page = app.aggregate("/page", Page, vary={"authorization"}, cache=Cache(max_age=60))

    @page.part
    async def thing() -> Thing:
        return await things.get(Thing, "/things")


async def test_requests_that_differ_in_what_does_not_count_share_one_entry() -> None:
    """T5: a tracker's cookie, a browser's name, a query that no part takes."""
    app = Gateway("shop")
    shared_page(app)

    async with Stage(app) as stage:
        [things] = app.services
        stage[things].says({"name": "a"})
        for number in range(5):
            ga = f"_ga={number}"
            await stage.get(f"/page?utm={number}", authorization="Bearer a", cookie=ga, user_agent=ga)

        assert len(stage[things].asked) == 1


async def test_callers_who_differ_share_nothing() -> None:
    """T4: no credentials, empty ones, one's own, another's, the same in two lines."""
    app = Gateway("shop")
    shared_page(app)
    lines = [(), (b"",), (b"a",), (b"b",), (b"a", b"b"), (b"b", b"a"), (b"a, b",), (b"a", b"")]

    async with Stage(app) as stage:
        [things] = app.services
        stage[things].says({"name": "a"})
        for told in lines:
            fields = tuple((b"authorization", one) for one in told)
            await stage.run(Client(stage.running).ask("/page", headers=fields))

        assert len(stage[things].asked) == len(lines)
