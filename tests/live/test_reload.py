"""`stagedoor run --reload`: served anew after each edit, and nothing left when it ends."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from tests.live.platform import until
from tests.servers import free_port

pytestmark = pytest.mark.live

CODE = """
    from stagedoor import Gateway

    app = Gateway("tiny")

    @app.get("/")
    async def root() -> str:
        return "one"
"""


def said(port: int) -> bytes:
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=10.0) as answer:
            return bytes(answer.read())
    except (URLError, ConnectionError):
        return b""


def test_x6_an_edit_is_served_and_a_signal_ends_it_all(tmp_path: Path) -> None:
    """X6: a mistake waits for the next edit; on SIGTERM no orphan is left."""
    file, port = tmp_path / "tiny.py", free_port()
    file.write_text(textwrap.dedent(CODE))
    command = [sys.executable, "-m", "stagedoor", "run", "tiny:app", "--reload", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ}
    ) as process:
        try:
            until(lambda: said(port) == b'"one"')
            file.write_text("(")
            until(lambda: said(port) == b"")
            file.write_text(textwrap.dedent(CODE).replace("one", "two"))
            until(lambda: said(port) == b'"two"')
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60.0)
        finally:
            process.kill()

    assert code == 0
    assert psutil.wait_procs(children, timeout=60.0)[1] == []
