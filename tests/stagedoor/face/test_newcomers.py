"""What a newcomer runs into first: each message names the place and the remedy."""

import io
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stagedoor import Answer, Cache, Gateway, Running
from stagedoor._cli import app as stagedoor_app
from stagedoor._face.serving import found
from stagedoor._face.world import _output
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage


async def test_a_service_that_a_function_of_its_name_hides_is_told_as_such() -> None:
    """`orders = app.service("orders")` and a part `orders` are one variable: the second wins, without a word."""
    app = Gateway("shop")
    app.service("orders")

    @app.get("/orders")
    async def orders() -> str:
        return "hidden"

    with pytest.raises(
        ConfigError, match=r"'orders' is used by no part.*test_newcomers.py:\d+, hides it: name its variable"
    ):
        async with Stage(app):
            pass


def test_check_finds_a_handler_that_forwards_what_it_does_not_vary_by() -> None:
    """Refused before it is sent in any case; a finding is earlier than the first request."""
    app = Gateway("shop")
    carts = app.service("carts", forward={"authorization"})

    @app.get("/cart")
    async def cart() -> str:
        return await carts.get(str, "/cart")

    @app.put("/cart")
    async def put_cart() -> str:
        return await carts.put(str, "/cart", json="x")

    (doubt,) = app.inspected().doubts
    assert "test_newcomers.py" in doubt
    assert (
        "GET /cart: the service 'carts' forwards 'authorization', but the answer does not vary by it" in doubt
    )


async def test_a_script_says_its_own_content_type() -> None:
    """A picture has one type, and it is not JSON beside."""
    app = Gateway("shop")
    files = app.service("files")
    app.proxy("/picture", files)

    async with Stage(app) as stage:
        stage[files].says(b"...", headers={"Content-Type": "image/png"})

        assert (await stage.get("/picture")).header("content-type") == "image/png"


async def test_a_stage_takes_settings_by_name_and_none_from_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit can be tested, and a shell in which one is exported changes no test."""
    monkeypatch.setenv("SHOP_RATE_LIMIT", "1/60")
    app = Gateway("shop")

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    async with Stage(app) as stage:
        assert [(await stage.get("/hello")).status for _ in range(3)] == [200, 200, 200]
    async with Stage(app, environment={"SHOP_RATE_LIMIT": "2/60"}) as stage:
        assert [(await stage.get("/hello")).status for _ in range(3)] == [200, 200, 429]


def test_logs_go_to_standard_output_also_where_something_without_bytes_stands_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Notebooks and some test runners replace `sys.stdout` by an object that takes text only."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    real = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "__stdout__", real)
    assert _output() is real.buffer

    monkeypatch.setattr(sys, "__stdout__", None)  # a program without a console
    assert _output().writable()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a gateway in it, as the current one."""
    (tmp_path / "newcomers_shop.py").write_text(
        "from stagedoor import Gateway\n"
        "app = Gateway('shop')\n"
        "@app.put('/cart')\n"
        "async def cart() -> None: ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def test_a_misspelt_gateway_is_told_with_those_that_are_there(folder: Path) -> None:
    """`shop:ap` is a typing error, not a gateway of the type None."""
    with pytest.raises(ConfigError, match="'newcomers_shop' has no 'ap'; it has newcomers_shop:app"):
        found("newcomers_shop:ap")


def test_routes_say_of_a_write_neither_public_nor_whose(folder: Path) -> None:
    """What a PUT answers is never kept or joined: `public` would sound like a leak."""
    shown = CliRunner().invoke(stagedoor_app, ["routes", "newcomers_shop:app"]).output

    row = next(line for line in shown.splitlines() if "/cart" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["PUT", "/cart", "handler", "", ""]


async def test_the_lifespan_of_an_included_gateway_is_entered_before_and_left_after() -> None:
    """A module that opens a pool is included with its pool."""
    said: list[str] = []

    def hook(name: str) -> Callable[[Running], AbstractAsyncContextManager[None]]:
        @asynccontextmanager
        async def life(running: Running) -> AsyncIterator[None]:
            said.append(f"{name} opens in {running.name}")
            yield
            said.append(f"{name} closes")

        return life

    inner = Gateway("inner", lifespan=hook("inner"))
    app = Gateway("shop", lifespan=hook("shop"))
    app.include(inner)

    async with Stage(app):
        said.append("serving")

    assert said == ["inner opens in shop", "shop opens in shop", "serving", "shop closes", "inner closes"]


@pytest.mark.parametrize("cache", [None, Cache(max_age=60)])
async def test_bytes_of_a_type_of_their_own_go_as_they_stand_kept_or_not(cache: Cache | None) -> None:
    """A card is no JSON text, and a kept one has no second content type."""
    app = Gateway("shop")

    @app.get("/card", cache=cache)
    async def card() -> Answer[bytes]:
        return Answer(b"BEGIN:VCARD", headers={"content-type": "text/vcard"})

    async with Stage(app) as stage:
        answers = [await stage.get("/card") for _ in range(2)]

    assert {(one.header("content-type"), one.body) for one in answers} == {("text/vcard", b"BEGIN:VCARD")}


async def test_json_in_another_dress_is_still_json() -> None:
    """A value that is no bytes is written by its type; the content type is the handler's."""
    app = Gateway("shop")

    @app.get("/feature")
    async def feature() -> Answer[dict[str, str]]:
        return Answer({"type": "Feature"}, headers={"content-type": "application/geo+json"})

    async with Stage(app) as stage:
        answer = await stage.get("/feature")

    assert (answer.header("content-type"), answer.body) == ("application/geo+json", b'{"type":"Feature"}')
