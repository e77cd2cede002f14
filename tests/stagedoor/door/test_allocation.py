"""What the C library does with freed memory."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from stagedoor._door.allocation import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for turn in range(60):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [b"x" * 100_000 for _ in range(20)]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str) -> int:
    """Count the pages that the kernel had to bring for bodies that come and go."""
    done = subprocess.run([sys.executable, "-c", FAULTS, word], capture_output=True, check=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="left out: this C library has no mallopt"
)
def test_memory_of_bodies_that_pass_does_not_come_and_go() -> None:
    """Each 100 KB that pass cost 25 page faults, a fifth of the time."""
    assert faults("kept") * 10 < faults("not")
