"""One thing that is kept under the tags of two who use it: a purge by the tags of either reaches what it gets (G4)."""

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway
from stagedoor.testing import Stage

PAGES = Cache(max_age=600, tags=["page:{slug}"])


class Film(BaseModel):
    id: str


class Page(BaseModel):
    film: Film
    seats: int


def shop() -> Gateway:
    """Declare pages that reach one film by several names, and handlers that use one answer under tags of theirs."""
    app = Gateway("shop", deadline=1.0)
    films = app.service("films")
    rows = app.service("rows", cache=PAGES)
    page = app.aggregate("/pages/{slug}", Page, cache=PAGES)

    @page.part
    async def film(slug: str) -> Film:
        return Film(id="7")

    @page.part(cache=PAGES)
    async def seats(film: Film) -> int:
        return await films.get(int, "/seats/{}", film.id)

    @app.get("/titles/{slug}", cache=PAGES)
    async def title(slug: str) -> int:
        return await films.get(int, "/count", cache=PAGES)

    @app.get("/raw/{slug}", cache=Cache(max_age=600))
    async def raw(slug: str) -> int:
        return (await rows.request("GET", "/count")).read(int)

    @app.delete("/pages/{slug}", purges=["page:{slug}"])
    async def drop(slug: str) -> None:
        """Drop a page."""

    return app


@pytest.mark.parametrize("path", ["/pages", "/titles", "/raw"])
async def test_g4_a_purge_reaches_what_somebody_else_had_kept_first(path: str) -> None:
    """G4: it bore the tags of who asked first, so that who asked second got the old one after a purge of its own."""
    app = shop()
    async with Stage(app) as stage:
        for service in app.services:
            stage[service].says(1, 2, 3)
        first = [(await stage.get(f"{path}/{slug}")).body for slug in ("dune", "7")]
        await stage.delete("/pages/7")
        after = (await stage.get(f"{path}/7")).body
        other = await stage.get(f"{path}/dune")

    assert after not in first
    assert (other.header("cache-status").split(";")[1], other.body) == (" hit", first[0])
