"""End with the process that started us, whatever ended it.

A supervisor that is killed cannot stop its children. Each child therefore asks the kernel for SIGTERM at
its parent's death (prctl(2), PR_SET_PDEATHSIG; Linux only). SIGTERM rather than SIGKILL, so that a child
with workers of its own still ends them.
"""

import ctypes
import os
import signal
import sys

__all__ = ["PARENT", "die_with_parent"]

PARENT = "CINEMA_PARENT_PID"  # set by the stack for its children; not a setting
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Tie this process to the one named in the environment; do nothing if none is."""
    parent = os.environ.pop(PARENT, "")
    if not parent or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it died before we asked
        sys.exit(0)
