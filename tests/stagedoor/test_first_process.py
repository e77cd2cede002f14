"""The first process of a container ends at SIGTERM, as any other does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WAITS = """
import sys, time
from stagedoor._commands.first_process import obey_signals
obey_signals({pid})
print("up", flush=True)
time.sleep(300)
"""

# A gateway that takes long to load, in what believes itself to be the first process.
LOADS = """
import os
os.getpid = lambda: 1
from stagedoor._cli import app
app(["run", "late:app"])
"""
LATE = """
import time
print("loading", flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize(("pid", "code"), [(1, 143), (2, -15)])
def test_a_command_that_waits_ends_at_once(pid: int, code: int) -> None:
    """T23: `docker stop` would wait ten seconds and kill; elsewhere the kernel's own action is left alone."""
    command = [sys.executable, "-c", WAITS.format(pid=pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()

        assert process.wait(60) == code


def test_a_gateway_that_still_loads_ends_at_once(tmp_path: Path) -> None:
    """T23: stopped in its first second, the only process of a container served on until it was killed."""
    (tmp_path / "late.py").write_text(LATE)
    command, environment = [sys.executable, "-c", LOADS], os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"loading\n"
        process.terminate()

        assert process.wait(60) == 143


# The same, told to end while the command line itself is loaded.
BEGINS = """
import os, signal, sys
own = os.getpid()
os.getpid = lambda: 1
class Told:
    def find_spec(self, name, path=None, target=None):
        if name == "stagedoor._commands.targets":
            os.kill(own, signal.SIGTERM)
sys.meta_path.insert(0, Told())
import stagedoor._cli
"""


def test_a_command_line_that_still_loads_ends_at_once() -> None:
    """T23: most of what a start takes is before the first line of the command."""
    ended = subprocess.run([sys.executable, "-c", BEGINS], check=False, timeout=50)

    assert ended.returncode == 143
