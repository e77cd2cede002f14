"""What a gateway loads before it answers, and how often it is made: both decide how soon it does."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stagedoor import Gateway, Running
from stagedoor._face import serving
from stagedoor._face.collector import hold_collector
from tests.stagedoor.face.test_serving import lived

# Each of these costs 5 to 200 ms, and is asked for by other commands, by settings, or by what comes later.
HEAVY = (
    "PIL",
    "aiosqlite",
    "alembic",
    "anyio",
    "asyncpg",
    "cinema.database",
    "cinema.services",
    "cryptography",
    "dishka",
    "fastapi",
    "fastapi_offline",
    "jwt",
    "numpy",
    "obstore",
    "opentelemetry",
    "pygments",
    "pyreqwest",
    "redis",
    "rich",
    "sentry_sdk",
    "sqlalchemy",
    "starlette",
    "stagedoor.search.elastic",
    "stagedoor.testing",
)
STARTED = """
import asyncio, sys
import {entrance}
from stagedoor._face import serving

async def opened(ready):
    async with ready.gateway.served(ready.running):
        print(*sys.modules)

asyncio.run(opened(serving.prepared("{target}")))
"""


def loaded(tmp_path: Path, entrance: str, target: str) -> set[str]:
    """Return what stands loaded once a gateway has started as its command starts it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE"))}
    done = subprocess.run(
        [sys.executable, "-c", STARTED.format(entrance=entrance, target=target)],
        cwd=tmp_path,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {*done.stdout.splitlines()[0].split()}


def test_starting_the_platform_s_gateway_loads_nothing_heavy_that_it_does_not_need(tmp_path: Path) -> None:
    """Imports are most of the time between exec and the first answer; what slips in stays for good."""
    names = loaded(tmp_path, "cinema.cli, cinema.gateway.serve", "cinema.gateway.app:app")

    assert [heavy for heavy in HEAVY if heavy in names] == []


def test_starting_a_small_gateway_loads_nothing_heavy_either(tmp_path: Path) -> None:
    """`stagedoor run`: neither what the platform needs, nor what draws tables."""
    code = 'from stagedoor import Gateway\napp = Gateway("shop")\n@app.get("/")\nasync def root() -> str:\n return ""\n'
    (tmp_path / "small.py").write_text(code)

    names = loaded(tmp_path, "stagedoor._cli", "small:app")

    assert [
        heavy for heavy in (*HEAVY, "cinema", "psutil", "stagedoor.search", "tantivy") if heavy in names
    ] == []


def test_a_gateway_that_serves_alone_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at is what serves: making it was a third of the start, and was done three times."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[Running] = []
    monkeypatch.setattr(Running, "__init__", _noting(made, Running.__init__))
    (tmp_path / "made_once.py").write_text('from stagedoor import Gateway\napp = Gateway("shop")\n')

    ready = serving.prepared("made_once:app")

    assert made == [ready.running]
    assert serving.prepared("made_once:app", workers=2).running is None


def _noting(made: list[Running], init: object) -> object:
    def noted(self: Running, *args: object, **options: object) -> None:
        made.append(self)
        init(self, *args, **options)  # type: ignore[operator] # the method itself

    return noted


async def test_the_collector_is_held_while_a_gateway_starts_and_runs_rarely_then() -> None:
    """A collector that stayed off would let cycles pile up."""
    before = gc.get_threshold()
    try:
        hold_collector()
        held = gc.isenabled()
        app = Gateway("shop")
        await lived(serving._server_hooks(app).app)  # noqa: SLF001 - what the door is given

        assert (held, gc.isenabled(), gc.get_threshold()[0]) == (False, True, 50_000)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
        gc.set_threshold(*before)
