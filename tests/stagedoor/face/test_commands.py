"""The commands on gateways written into a folder of their own."""

import importlib
import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stagedoor._cli import app
from stagedoor.testing import Stage

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


def test_g3_check_counts_what_repeated_sources_ask(written: Written) -> None:
    """G3, O5: a service behind two sources in a row gets four calls of one, and was told to get two."""
    code = """
    from stagedoor import Gateway

    app = Gateway("shop")
    rates = app.service("rates")

    @app.source(safe=True)
    async def inner() -> int:
        return await rates.get(int, "/rate")

    @app.source(safe=True)
    async def outer() -> int:
        return await inner()

    @app.get("/rate")
    async def rate() -> int:
        return await outer()
"""
    result = run("check", f"{written(code)}:app")

    assert result.exit_code == 1
    assert "upstream 'rates': one call may become 4" in result.output
    assert "upstream 'rates': failing calls may grow to 1.30 times" in result.output
    assert "upstream 'inner'" not in result.output


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
    written: Written, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    """One line, no traceback."""
    monkeypatch.setenv("SHOP_PORT", "0")  # whatever this machine listens on
    result = run(command, f"{written(SHOP)}:app")

    assert words in result.output
    assert (result.exit_code, "Traceback" in result.output) == (78 if command == "run" else 0, False)


def test_a_bad_setting_stops_the_start_in_one_line(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable."""
    monkeypatch.setenv("SHOP_PORT", "http")
    monkeypatch.setenv("SHOP_THINGS_URL", "http://127.0.0.1:9")
    result = run("run", f"{written(SHOP)}:app")

    assert (result.exit_code, result.output) == (78, "SHOP_PORT: 'http' must be a port from 0 to 65535\n")


def test_an_address_that_is_taken_stops_the_start_in_one_line(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12.4: before anything is opened, and with the address."""
    monkeypatch.setenv("SHOP_THINGS_URL", "http://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("run", f"{written(SHOP)}:app", "--port", str(port))

    assert result.exit_code == 69
    assert (
        result.stderr
        == f"--port: port {port} of 127.0.0.1 is taken; set another, or stop what listens there\n"
    )


def test_a_host_that_nobody_has_is_not_a_port_that_is_taken(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: two faults, two remedies; one of them passes by itself and has another exit code."""
    monkeypatch.setenv("SHOP_THINGS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SHOP_HOST", "192.0.2.1")
    result = run("run", f"{written(SHOP)}:app")

    assert result.exit_code == 78
    assert result.stderr.startswith("SHOP_HOST: '192.0.2.1' is no address of this machine")
    assert result.stderr.count("\n") == 1


def test_openapi_prints_the_document_that_is_served(written: Written) -> None:
    """12.4: for client generators, without a running gateway."""
    result = run("openapi", f"{written(SHOP)}:app")

    said = json.loads(result.stdout)
    assert (result.exit_code, said["openapi"], said["info"]["title"]) == (0, "3.1.0", "shop")
    assert {"/page", "/health"} <= set(said["paths"])


async def test_the_printed_document_equals_the_served_one(written: Written, tmp_path: Path) -> None:
    """12.4: written to a file, it can be compared in CI."""
    module = written(SHOP)
    result = run("openapi", f"{module}:app", "--output", "openapi.json")

    async with Stage(importlib.import_module(module).app) as stage:
        served = json.loads((await stage.get("/openapi.json")).body)
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads((tmp_path / "openapi.json").read_text()) == served


SETS = """
    from stagedoor import DocumentSet, Gateway

    app = Gateway("shop", documents=[DocumentSet(openapi="/all.json"), DocumentSet(openapi="/v1.json", prefix="/v1")])

    @app.get("/v1/a")
    async def one() -> str:
        return ""

    @app.get("/v2/a")
    async def two() -> str:
        return ""
"""


def test_openapi_prints_the_document_of_a_path(written: Written) -> None:
    """12.4: a gateway may have several; one that it has not is told with those that are there."""
    target = f"{written(SETS)}:app"
    first, asked, wrong = (
        run("openapi", target, *words)
        for words in ([], ["--document", "/v1.json"], ["--document", "/v3.json"])
    )

    assert {"/v1/a", "/v2/a"} <= set(json.loads(first.stdout)["paths"])
    assert list(json.loads(asked.stdout)["paths"]) == ["/v1/a"]
    assert (wrong.exit_code, wrong.stderr) == (
        78,
        "the gateway 'shop' has no document '/v3.json'; it has /all.json, /v1.json\n",
    )


def test_openapi_says_in_one_line_what_it_cannot_write(written: Written) -> None:
    """12.4: exit code 73."""
    result = run("openapi", f"{written(SHOP)}:app", "-o", "nowhere/openapi.json")

    assert (result.exit_code, result.stderr) == (73, "nowhere/openapi.json: No such file or directory\n")


ALONE = """
import socket, sys
for extra in ("prometheus_client", "hiredis", "fastapi_offline", "sentry_sdk", "tantivy", "pyreqwest"):
    sys.modules[extra] = None  # as if it were not installed
from stagedoor._cli import app

def code(*words):
    try:
        app(list(words))
    except SystemExit as end:
        return end.code

with socket.create_server(("127.0.0.1", 0)) as taken:
    port = str(taken.getsockname()[1])
    target = sys.argv[1]
    print([code("check", target), code("routes", target), code("settings", target), code("openapi", target)])
    print([code("run", target, "--port", port), code("run", target, "--port", port, "--workers", "2")])
"""


def test_every_command_works_without_any_extra(written: Written, tmp_path: Path) -> None:
    """12.4: `pip install stagedoor` is what a newcomer has; `run` ended in a traceback without metrics."""
    command = [sys.executable, "-c", ALONE, f"{written(SHOP)}:app"]
    environment = os.environ | {"SHOP_THINGS_URL": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert "Traceback" not in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("[")] == ["[0, 0, 0, 0]", "[69, 69]"]


def test_reload_and_workers_are_not_asked_for_together(written: Written) -> None:
    """It served in one process and said nothing of it."""
    result = run("run", f"{written(SHOP)}:app", "--reload", "--workers", "2")

    assert result.exit_code == 64
    assert result.output.strip() == "--reload serves in one process: leave --workers out"
