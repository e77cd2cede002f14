from shop import Home, accounts, app, carts, catalog
from stagedoor.testing import Stage

SETTINGS = {"SHOP_RATE_LIMIT": "4/60", "SHOP_CORS_ORIGINS": "https://a.example"}


async def test_a_write_calls_out_the_kept_home_screen() -> None:
    async with Stage(app) as stage:
        stage[accounts].says({"name": "Ann", "segment": "gold"})
        stage[carts].fails(404).says({"items": [{"sku": "a"}]})
        stage[catalog].says(["b"])
        await stage.get("/home/1", authorization="Bearer ann")
        kept = await stage.get("/home/1", authorization="Bearer ann")
        written = await stage.put("/carts/1/items/a", {"sku": "a"}, authorization="Bearer ann")
        after = await stage.get("/home/1", authorization="Bearer ann")
        assert (kept.parts["cart"], written.status) == ("cached", 201)
        assert [item.sku for item in after.read(Home).cart.items] == ["a"]


async def test_a_client_hears_what_is_wrong_and_comes_only_so_often() -> None:
    async with Stage(app, environment=SETTINGS) as stage:
        stage[catalog].fails(404).when("/films").says([{"title": "Dune"}])
        stage[accounts].when("/pictures/1.png").says(b"...", headers={"content-type": "image/png"})
        found = await stage.get("/films?query=dune", origin="https://a.example")
        assert found.header("access-control-allow-origin") == "https://a.example"
        targets = ("/films", "/films/9", "/avatars/1", "/films", "/metrics", "/health/ready")
        assert [(await stage.get(target)).status for target in targets] == [422, 404, 200, 429, 200, 200]
