"""`make start`, `make stop`: what the script behind them must not mistake."""

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from cinema.stack.parts import StackProcess
from tests.servers import free_port

SCRIPT = Path(__file__).parents[2] / "scripts" / "background.py"


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def somebody() -> Iterator[int]:
    """Run somebody else's gateway; yield its port."""
    server = HTTPServer(("127.0.0.1", 0), _Ready)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that does nothing, in place of the platform."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the script, for a folder of its own."""
    spec = importlib.util.spec_from_file_location("background", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PID", tmp_path / "cinema.pid")
    monkeypatch.setattr(module, "DATA", tmp_path / "missing" / "folder")  # starting anything would fail
    return module


def test_another_gateway_is_not_taken_for_the_one_just_started(script: ModuleType, somebody: int) -> None:
    """It answered "ready" while the new one was dying of a taken port."""
    (script.ROOT / ".env").write_text(f'GATEWAY_PORT="{somebody}"  # as dotenv reads it\n')

    said = script.start()

    assert said == f"something answers on port {somebody} already; stop it, or set GATEWAY_PORT to another"
    assert not script.PID.exists()


def test_a_start_is_over_when_every_service_answers_not_the_gateway_alone(
    script: ModuleType,
    sleeper: "subprocess.Popen[bytes]",
    somebody: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """F5: the gateway is ready first, and the first profile was 503; who keeps it waiting is named, within a bound."""
    monkeypatch.setattr(script, "START_SECONDS", 0.05)
    up = [StackProcess(name, "127.0.0.1", somebody, ready="/health") for name in ("users", "gateway")]
    down = [StackProcess(name, "127.0.0.1", free_port(), ready="/health") for name in ("orders", "products")]

    said = [script.until_ready(sleeper, [*down, StackProcess("etl"), *up])]
    monkeypatch.setattr(script, "START_SECONDS", 60.0)
    said.append(script.until_ready(sleeper, up))

    assert said == ["not ready after 0 s: orders, products; look with make logs", None]
    assert capsys.readouterr().out == f"ready: http://127.0.0.1:{somebody}  (make logs, make ps, make stop)\n"


def test_a_bad_setting_is_named_before_anything_starts(script: ModuleType) -> None:
    """F5: which services are to answer is in the settings; contract 16: one line."""
    (script.ROOT / ".env").write_text("GATEWAY_PORT=none\n")

    assert script.start().startswith("GATEWAY_PORT: ")
