"""One gateway of several modules: `include`."""

from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


def more() -> Gateway:
    app = Gateway("more")
    things = app.service("things")
    page = app.aggregate("/page/{name}", Page, cache=Cache(max_age=60, tags=["thing:{name}"]))

    @page.part
    async def thing(name: str) -> Thing:
        return await things.get(Thing, "/{}", name)

    @app.put("/page/{name}", purges=["thing:{name}"])
    async def put(name: str) -> None:
        await things.put(None, "/{}", name, json={})

    app.proxy("/raw/{rest:path}", things)
    return app


async def test_what_is_included_stands_below_its_prefix() -> None:
    """Screens, handlers, passages, documents; the service's own paths stay what they are."""
    app, other = Gateway("shop"), more()
    app.include(other, prefix="/more")
    [things] = other.services
    async with Stage(app) as stage:
        stage[things].says({"name": "a"})
        page, plain = await stage.get("/more/page/a"), await stage.get("/page/a")
        await stage.put("/more/page/a")
        again, raw = await stage.get("/more/page/a"), await stage.get("/more/raw/x/y")
        document = (await stage.get("/openapi.json")).read(dict[str, Any])

        assert [one.status for one in (page, plain, raw)] == [200, 404, 200]
        assert again.parts["thing"] == "fresh"
        assert [one.path for one in stage[things].asked] == ["/a", "/a", "/a", "/raw/x/y"]
        assert {"/more/page/{name}", "/more/raw/{rest}"} <= set(document["paths"])


async def test_what_is_included_twice_removed_adds_prefixes() -> None:
    """And without a prefix it is as if declared here."""
    app, between, other = Gateway("shop"), Gateway("between"), more()
    between.include(other, prefix="/b")
    app.include(between, prefix="/a")
    app.include(Gateway("empty"))
    [things] = other.services
    async with Stage(app) as stage:
        stage[things].says({"name": "a"})

        assert (await stage.get("/a/b/page/x")).status == 200


def test_settings_take_the_including_gateways_prefix() -> None:
    """One process, one prefix."""
    app = Gateway("shop")
    app.include(more())

    with pytest.raises(ConfigError, match="set SHOP_THINGS_URL"):
        app.made()


@pytest.mark.parametrize("prefix", ["more", "/more/", "/"])
def test_a_prefix_begins_with_a_slash_and_ends_without(prefix: Any) -> None:
    """Where it is written."""
    with pytest.raises(ConfigError, match=r"test_including\.py:\d+: prefix="):
        Gateway("shop").include(more(), prefix=prefix)


def test_a_gateway_does_not_include_itself() -> None:
    """At once, or over another."""
    app, other = Gateway("shop"), Gateway("other")
    with pytest.raises(ConfigError, match="include takes another gateway"):
        app.include(app)
    app.include(other)
    other.include(app)

    with pytest.raises(ConfigError, match="the gateway 'shop' includes itself"):
        app.inspected()


async def test_a_circle_of_gateways_is_told_on_a_stage_too() -> None:
    """It was a RecursionError of the kit's own."""
    app, other = Gateway("shop"), Gateway("other")
    app.include(other)
    other.include(app)

    with pytest.raises(ConfigError, match="the gateway 'shop' includes itself"):
        async with Stage(app):
            pass


def test_names_and_paths_of_both_are_one() -> None:
    """A service declared in both, a path declared in both: with both places."""
    app = Gateway("shop")
    app.include(more())
    app.proxy("/raw/{rest:path}", app.service("things"))

    with pytest.raises(ConfigError) as caught:
        app.inspected()

    assert "'things' is declared already, at tests/stagedoor/face/test_including.py:" in str(caught.value)
    assert "GET /raw/{rest:path} is declared already, at tests/stagedoor/face/test_including.py:" in str(
        caught.value
    )


def test_the_same_gateway_cannot_be_included_twice() -> None:
    """Its services would be two of one name."""
    app, other = Gateway("shop"), more()
    app.include(other, prefix="/a")
    app.include(other, prefix="/b")

    with pytest.raises(ConfigError, match="is included twice"):
        app.inspected()
