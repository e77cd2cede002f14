"""A part that others take with its fallback leaves them the time to be asked."""

from pydantic import BaseModel

from stagedoor import Gateway, OrFallback
from stagedoor.testing import Stage


class Page(BaseModel):
    cart: list[str] = []
    advice: str = ""


async def test_a_slow_part_leaves_time_for_those_that_take_its_fallback() -> None:
    """Its two attempts used up the screen: who could do without it was never asked, and the screen was 504."""
    app = Gateway("shop")
    carts, recs = app.service("carts"), app.service("recs")
    screen = app.aggregate("/page", Page)

    @screen.part
    async def cart() -> list[str]:
        return await carts.get(list[str], "/cart")

    @screen.part
    async def advice(cart: OrFallback[list[str]]) -> str:
        return await recs.get(str, "/advice", query={"have": cart})

    async with Stage(app) as stage:
        stage[carts].hangs()
        stage[recs].says("tea")
        answer = await stage.get("/page")

    assert (answer.status, answer.parts) == (200, {"cart": "fallback", "advice": "fresh"})
    assert answer.read(Page).advice == "tea"


async def test_a_limit_of_its_own_stands() -> None:
    """Who says a limit is the one to know."""
    app = Gateway("shop")
    carts = app.service("carts")
    screen = app.aggregate("/page", Page)

    @screen.part(limit=0.4)
    async def cart() -> list[str]:
        return await carts.get(list[str], "/cart")

    @screen.part
    async def advice(cart: OrFallback[list[str]]) -> str:
        return "tea"

    plan = app.inspected().plans[0]

    assert [one.limit for one in plan.design.parts] == [0.4, None]
