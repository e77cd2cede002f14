"""What `stagedoor run` serves: by name, warned of what blocks, told of what the door refuses."""

import asyncio
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from stagedoor import Gateway, Settings
from stagedoor import _problems as problems
from stagedoor._face import serving
from stagedoor._face.watching import Watch
from stagedoor.errors import ConfigError
from stagedoor.testing import Client


def block(until: Callable[[], object]) -> None:
    """Keep the loop from turning until that is told; a busy machine may need longer to see it."""
    end = time.monotonic() + 20.0
    while not until() and time.monotonic() < end:
        time.sleep(0.01)


async def test_blocking_code_is_told_once_with_its_place() -> None:
    """Three looks in one place without a turn of the loop: the line of the user's own code."""
    told: list[str] = []
    with Watch(told.append) as watch:
        block(lambda: told)
        await asyncio.sleep(0)

    assert len(told) == 1
    assert told == [watch.blocked]
    assert "test_serving.py:" in told[0]


async def test_a_loop_that_waits_is_not_blocked() -> None:
    """Nor one that turns."""
    with Watch() as watch:
        for _ in range(5):
            await asyncio.sleep(0.03)

    assert watch.blocked is None


async def test_under_reload_a_warning_names_the_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the log, as a line of its own."""
    app, said = Gateway("shop"), [""]

    def told() -> bool:
        said[0] += capfd.readouterr().out
        return "blocks the event loop" in said[0]

    @app.get("/")
    async def root() -> str:
        block(told)
        return "x"

    monkeypatch.setenv("STAGEDOOR_WATCH", "1")
    served = serving._server_hooks(app).app  # noqa: SLF001 - what the door is given
    await lived(served, Client(served).ask("/"))

    assert told()


async def lived(app: Any, *work: Any) -> None:
    """Run the lifespan round some work."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    living = asyncio.ensure_future(app({"type": "lifespan"}, events.get, sent.put))
    await events.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    for one in work:
        await one
    await events.put({"type": "lifespan.shutdown"})
    await living


async def test_what_the_door_refuses_is_counted_and_draining_is_told() -> None:
    """The door answers before the gateway sees it: metrics and readiness know all the same."""
    app = Gateway("shop")
    server_hooks = serving._server_hooks(app)  # noqa: SLF001 - what the door is given

    async def look() -> None:
        [running] = app.serving()
        assert server_hooks.refused is not None
        assert server_hooks.drain is not None
        server_hooks.refused(problems.too_large(), "r1")
        assert b'status="413"' in (await Client(running).ask("/metrics")).body
        server_hooks.drain()
        assert (await Client(running).ask("/health/ready")).status == 503

    await lived(server_hooks.app, look())


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module into the folder we stand in; return its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    name = f"served_{abs(hash(str(tmp_path))):x}"
    code = """
        from stagedoor import Gateway
        app = Gateway("shop")
        number = 7
    """
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
    return name


def test_a_gateway_is_found_by_module_and_name(written: str) -> None:
    """`app` unless another name is given."""
    assert serving.found(f"{written}:app") is serving.found(written)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (":app", "is not of the form module:name"),
        ("{}:number", "is no Gateway but int"),
        ("{}:other", r"has no 'other'; it has served_\w+:app"),
    ],
)
def test_what_is_no_gateway_is_told(written: str, target: str, words: str) -> None:
    """With what it is."""
    with pytest.raises(ConfigError, match=words):
        serving.found(target.format(written))


def test_blocking_code_is_told_under_uvloop_too() -> None:
    """Its loop has no frames of its own: what serves by default must be watched as well."""

    async def work() -> str | None:
        with Watch() as watch:
            block(lambda: watch.blocked)
            await asyncio.sleep(0)
        return watch.blocked

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(work())

    assert told is not None
    assert "test_serving.py:" in told


def test_the_door_serves_the_names_that_are_trusted() -> None:
    """T22: what is set is what the door is told."""
    settings = Settings(trusted_hosts=["Shop.example"])

    assert serving.limits_of(settings).hosts == {"shop.example"}
    assert not serving.limits_of(Settings()).hosts
