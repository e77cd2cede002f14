"""The commands on gateways written into a folder of their own."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stagedoor.cli import app

Written = Callable[[str], str]

SHOP = """
    from pydantic import BaseModel
    from stagedoor import Cache, Gateway

    app = Gateway("shop", deadline=0.5)
    things = app.service("things", forward={"authorization"})

    class Page(BaseModel):
        name: str
        more: str = ""

    page = app.aggregate("/page", Page, vary={"authorization"}, cache=Cache(max_age=10))

    @page.part
    async def name() -> str:
        return await things.get(str, "/name")

    @page.part
    async def more(name: str) -> str:
        return await things.get(str, "/more/{}", name)
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Give what writes a module into the folder we stand in; returns its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(code: str) -> str:
        name = f"face_{abs(hash((str(tmp_path), code))):x}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        return name

    return write


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_g3_check_proves_the_defaults_of_a_screen(written: Written) -> None:
    """G3: an attempt is the deadline divided by the depth: defaults never exceed it."""
    result = run("check", f"{written(SHOP)}:app")

    assert result.exit_code == 0, result.output
    for text in ("name → more", "475.3 ms of 485 ms", "things", "1.10", "no findings"):
        assert text in result.output


def test_check_tells_a_doubt(written: Written) -> None:
    """A part that awaits what nobody sees: exit code 1, with place and remedy."""
    code = (
        SHOP.replace("more: str", "hidden: str = str()\n        more: str")
        + """
    @page.part
    async def hidden() -> str:
        return await globals()["things"].get(str, "/")
"""
    )
    result = run("check", f"{written(code)}:app")

    assert result.exit_code == 1
    assert (
        "page.hidden awaits something, and its code shows no service or source: say uses={...}"
        in result.output
    )


def test_check_tells_every_mistake_in_a_line_of_its_own(written: Written) -> None:
    """File and line once, and no traceback."""
    code = SHOP.replace('vary={"authorization"}, ', "")
    result = run("check", f"{written(code)}:app")
    lines = result.output.splitlines()

    assert (result.exit_code, len(lines)) == (1, 2)
    assert all(line.startswith("face_") and line.count(".py:") == 1 for line in lines)


def test_routes_and_settings_are_listed(written: Written) -> None:
    """Who may see an answer, how long it is kept; services first."""
    target = f"{written(SHOP)}:app"
    routes, settings = run("routes", target), run("settings", target)

    assert (routes.exit_code, settings.exit_code) == (0, 0)
    assert "per authorization" in routes.output
    assert "10 s" in routes.output
    assert settings.output.index("SHOP_THINGS_URL") < settings.output.index("SHOP_PORT")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run", "the address of a service is missing: set SHOP_THINGS_URL, or give url="),
        ("settings", "SHOP_THINGS_URL"),
    ],
)
def test_a_gateway_without_addresses_can_be_listed_and_not_run(
    written: Written, command: str, words: str
) -> None:
    """One line, no traceback."""
    result = run(command, f"{written(SHOP)}:app")

    assert words in result.output
    assert (result.exit_code, "Traceback" in result.output) == (1 if command == "run" else 0, False)


@pytest.mark.parametrize("command", ["run", "settings"])
def test_what_is_no_gateway_is_told_in_one_line(written: Written, command: str) -> None:
    """A module that is not there, a name that is another thing."""
    missing, other = run(command, "no_such_module:app"), run(command, f"{written('app = 7')}:app")

    assert (missing.exit_code, missing.output.strip()) == (1, "No module named 'no_such_module'")
    assert (other.exit_code, "is no Gateway but int" in other.output) == (1, True)


def test_a_bad_setting_stops_the_start_in_one_line(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable."""
    monkeypatch.setenv("SHOP_PORT", "http")
    monkeypatch.setenv("SHOP_THINGS_URL", "http://127.0.0.1:9")
    result = run("run", f"{written(SHOP)}:app")

    assert (result.exit_code, result.output) == (1, "SHOP_PORT: 'http' must be a port from 0 to 65535\n")
