"""The first process of a container ends at SIGTERM, as any other does."""

import subprocess
import sys

import pytest

WAITS = """
import sys, time
from cinema.first_process import obey_signals
obey_signals({pid})
print("up", flush=True)
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
