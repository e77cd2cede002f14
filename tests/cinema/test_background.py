"""`make start`, `make stop`: what the script behind them must not mistake."""

import importlib.util
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

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
