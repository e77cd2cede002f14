"""Tags that are found while a value is made: what is kept of it bears them, and whatever is made of that."""

from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, Settings, tag
from stagedoor._call import Call
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._transports import keys
from stagedoor.testing import Client, Stage
from tests.servers import Server

KEPT = Cache(max_age=600)


class Film(BaseModel):
    id: str
    title: str


class Page(BaseModel):
    film: Film
    shown: str


class Films:
    """A service that counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, call: Call[HttpRequest], /) -> HttpResponse:
        self.asked += 1
        said = b'{"id":"7","title":"%d"}' % self.asked
        return HttpResponse(status=200, headers=((b"content-type", b"application/json"),), body=said)

    def key_of(self, payload: HttpRequest, /) -> bytes:
        return keys.key_of(payload)

    def idempotent(self, payload: HttpRequest, /) -> bool:
        return keys.idempotent(payload)

    async def aclose(self) -> None:
        """Hold nothing."""


def shop(**options: Any) -> tuple[Gateway, Any]:
    """Declare a screen, a handler over it, and a source under handlers, all kept, of films that say their tag."""
    app = Gateway("shop", settings=Settings(**options), deadline=1.0)
    films = app.service("films")
    page = app.aggregate("/pages/{slug}/{shape}", Page, cache=KEPT)

    async def found(slug: str) -> Film:
        one = await films.get(Film, "/{}", slug)
        tag("film:{}", one.id)
        return one

    @page.part(cache=KEPT)
    async def film(slug: str) -> Film:
        return await found(slug)

    @page.part
    async def shown(shape: str) -> str:
        return shape

    @app.get("/titles/{slug}", cache=KEPT)
    async def title(slug: str) -> str:
        return (await page.run(slug=slug, shape="whole")).value.film.title

    @app.source(safe=True, cache=KEPT)
    async def of(slug: str) -> Film:
        return await found(slug)

    @app.get("/sourced/{slug}/{shape}", cache=KEPT)
    async def sourced(slug: str, shape: str) -> str:
        return f"{shape}: {(await of(slug)).title}"

    return app, films


async def bodies(stage: Stage, targets: list[str]) -> list[bytes]:
    return [(await stage.get(one)).body for one in targets]


@pytest.mark.parametrize(
    "targets",
    [
        ["/pages/dune/wide", "/pages/dune/narrow"],
        ["/titles/dune"],
        ["/pages/dune/whole", "/titles/dune"],
        ["/sourced/dune/wide", "/sourced/dune/narrow"],
    ],
    ids=["part", "screen in a handler", "kept screen in a handler", "source"],
)
async def test_g4_a_tag_that_is_found_reaches_what_is_kept_and_what_is_made_of_it(targets: list[str]) -> None:
    """G4: also what takes the value as it is kept, which makes none, and what joined who made it."""
    app, films = shop()
    async with Stage(app) as stage:
        stage[films].says({"id": "7", "title": "old"})
        before = await bodies(stage, targets)
        stage[films].says({"id": "7", "title": "new"})
        kept = await bodies(stage, targets)
        await stage.running.purge("film:{}", "8")
        others = await bodies(stage, targets)
        await stage.running.purge("film:{}", "7")
        after = await bodies(stage, targets)

        assert before == kept == others
        assert all(b"old" in one for one in before)
        assert all(b"new" in one for one in after)


async def test_g4_what_another_process_kept_says_its_tags(valkey: Server) -> None:
    """G4: they lie beside the value in the shared store, for what is made of it elsewhere."""
    app, _ = shop(redis_url=valkey.url, redis_timeout=5.0)
    services = {"films": Films()}
    async with app.build(transports=services) as one, app.build(transports=services) as other:
        first, second = Client(one), Client(other)
        made = await first.ask("/pages/dune/wide")
        assert one.stores.tiers is not None
        await one.stores.tiers.far.idle()
        taken = await second.ask("/pages/dune/narrow")
        await other.purge("film:{}", "7")
        after = await second.ask("/pages/dune/narrow")

    assert [b'"title":"1"' in one.body for one in (made, taken, after)] == [True, True, False]
