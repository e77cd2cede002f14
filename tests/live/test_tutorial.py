"""The tutorial followed by the letter: its files are written, its commands typed, what they print compared."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, commands
from tests.servers import free_port

pytestmark = pytest.mark.live

PAGE = ROOT / "docs/tutorial.md"
MARK = "@@ next command"
# Both servers of a step are up before the next is typed: people are slower than this.
WAIT = """for port in $PORTS; do
  python -c "import socket, sys, time
for _ in range(1_000):
    try: sys.exit(socket.create_connection(('127.0.0.1', $port)).close())
    except OSError: time.sleep(0.05)"
done"""


def code() -> list[Block]:
    return [block for block in blocks(PAGE) if block.kind in {"python", "ini"}]


def typed() -> list[tuple[str, str]]:
    """Return the commands after those that install, with what the page shows of their output."""
    shown = [pair for block in blocks(PAGE) if block.kind == "console" for pair in commands(block)]
    return [pair for pair in shown if not re.match(r"export CHECKOUT|python3 -m venv|\. |pip ", pair[0])]


def script(ports: dict[str, str]) -> str:
    """Return what is typed, with a mark after each command, ports that are free, and a moment for each server."""
    lines = ["set -m", 'trap "kill -9 %1 %2 %3" EXIT']
    up: list[str] = []
    for command, _ in typed():
        lines.append(moved(command, ports))
        if command.endswith("&"):
            up.append(ports[found[0] if (found := re.findall(r"--port (\d+)", command)) else "8000"])
        elif command.startswith("curl") and up:
            lines.insert(-1, WAIT.replace("$PORTS", " ".join(up)))
            up = []
        lines.append(f"echo; echo '{MARK}'")
    return "\n".join(lines)


def moved(command: str, ports: dict[str, str]) -> str:
    for said, free in ports.items():
        command = command.replace(f":{said}", f":{free}").replace(f"--port {said}", f"--port {free}")
    return command.replace("stagedoor run shop:app >", f"stagedoor run shop:app --port {ports['8000']} >")


def test_the_code_of_the_tutorial_takes_sixty_lines_and_one_import_of_the_kit_a_file() -> None:
    """12.5: what a reader types, comments and docstrings included."""
    lines = [line for block in code() for line in block.text.splitlines() if line.strip()]
    imports = [
        sum("stagedoor" in line for line in block.text.splitlines() if "import" in line) for block in code()
    ]

    assert len(lines) <= 60
    assert imports == [1, 1, 1, 0]


@pytest.mark.skipif(not shutil.which("curl"), reason="the tutorial asks with curl: install it")
def test_followed_by_the_letter_it_prints_what_it_says(tmp_path: Path) -> None:
    """12.5: in an empty folder, with the commands of this environment."""
    for block in code():
        name = block.text.partition("\n")[0].removeprefix("# ")
        (tmp_path / name).write_text(block.text)
    ports = {said: str(free_port()) for said in ("8000", "8001", "9000")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "80", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        ["bash", "-c", script(ports)],
        cwd=tmp_path,
        env={name: said for name, said in environment.items() if not name.startswith("PYTEST")},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    said = [part.strip() for part in done.stdout.split(MARK)]

    for (command, shown), printed in zip(typed(), said, strict=False):
        lines = [line.rstrip() for line in shown.strip().splitlines()]
        assert [line.rstrip() for line in printed.splitlines()][: len(lines)] == lines, (command, done.stderr)
    assert len(said) == len(typed()) + 1, done.stderr
