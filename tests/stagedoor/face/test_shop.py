"""The shop: a home screen from three services, and what stands beside it."""

from stagedoor.testing import Stage
from tests.stagedoor.face.carts import ledger
from tests.stagedoor.face.shop import Cart, Home, accounts, app, carts, recs

ANN = {"id": "1", "name": "Ann", "segment": "gold"}
CART = {"items": [{"sku": "a/b", "qty": 2}]}


async def test_the_home_screen_survives_without_carts() -> None:
    """A default stands in for what failed, and what needed it is not asked (P1)."""
    async with Stage(app) as stage:
        stage[accounts].says(ANN)
        stage[carts].fails()
        stage[recs].says([{"sku": "a", "why": "gold"}])

        answer = await stage.get("/home/1", authorization="Bearer ann")

        assert answer.read(Home).recommendations[0].sku == "a"
        assert answer.parts == {
            "account": "fresh",
            "cart": "fallback",
            "recommendations": "fresh",
            "prices": "missing",
        }
        assert answer.header("cache-control") == "no-store"
        assert [one.path for one in stage[accounts].asked] == ["/accounts/1"]
        assert "authorization" not in stage[recs].asked[0].headers


async def test_a_whole_home_screen_is_kept_for_whoever_asked() -> None:
    """Each part fresh: the answer is private, for it varies by credentials, and the second comes from the cache."""
    async with Stage(app) as stage:
        stage[accounts].says(ANN)
        stage[carts].says(CART)
        stage[recs].when("/recommendations").says([])
        stage[recs].when("/prices", "POST").says({"a/b": {"amount": "12.50", "currency": "EUR"}})

        first = await stage.get("/home/1", authorization="Bearer ann")
        again = await stage.get("/home/1", authorization="Bearer ann")

        assert set(first.parts.values()) == {"fresh"}
        assert set(again.parts.values()) == {"cached"}
        assert (first.body, first.header("cache-control")) == (again.body, "private, max-age=10")
        assert first.header("vary") == "authorization"
        assert first.read(Home).prices["a/b"].amount.as_tuple() == (0, (1, 2, 5, 0), -2)


async def test_an_absent_cart_is_an_empty_one() -> None:
    """`absent` is what a 404 means: an answer, not a failure (P8)."""
    async with Stage(app) as stage:
        stage[accounts].says(ANN)
        stage[carts].fails(404)
        stage[recs].when("/recommendations").says([])
        stage[recs].when("/prices", "POST").says({})

        answer = await stage.get("/home/1")

        assert answer.parts["cart"] == "fresh"
        assert answer.read(Home).cart == Cart()


async def test_a_write_drops_the_screens_that_it_makes_untrue() -> None:
    """The tag of a purge is that of the screen, whatever the value holds."""
    async with Stage(app) as stage:
        stage[accounts].says(ANN)
        stage[carts].says(CART)
        stage[recs].when("/recommendations").says([])
        stage[recs].when("/prices", "POST").says({})
        await stage.get("/home/a%2Fb")

        written = await stage.put("/carts/a%2Fb/items/x%20y", {"sku": "x y", "qty": 1})
        after = await stage.get("/home/a%2Fb")

        assert (written.status, written.header("location")) == (201, "/carts/a%2Fb/items/x%20y")
        assert after.parts["account"] == "fresh"
        assert stage[carts].asked[1].headers["if-match"] == "*"


async def test_a_problem_of_a_handler_says_what_it_was_told() -> None:
    """Status, type and detail of `raise Problem`; the service was not asked."""
    async with Stage(app) as stage:
        answer = await stage.put("/carts/1/items/a", {"sku": "b", "qty": 1})

        said = answer.read(dict[str, object])
        assert (answer.status, said["type"], said["detail"]) == (
            422,
            "/problems/sku",
            "sku differs from the path's",
        )
        assert not stage[carts].asked


async def test_a_source_is_called_through_its_policies() -> None:
    """Outside a route it needs a request all the same, and the value is the function's."""
    async with Stage(app) as stage, stage.running.request():
        entries = await stage.run(ledger("abc"))

        assert [one.amount for one in entries] == [3]
