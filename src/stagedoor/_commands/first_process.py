"""Obey SIGTERM as the first process of a container, for which the kernel knows no default action.

Whoever serves handles the signal already. This is for the rest of a process's life: while it loads, and for commands
that serve nobody, such as a migration that waits for its database, or a backup that has something to clear away.
"""

import os
import signal
from types import FrameType

__all__ = ["leave_in_order", "obey_signals"]


def obey_signals(pid: int | None = None) -> None:
    """Let SIGTERM end this process in order if it is the first one; do nothing otherwise."""
    if (os.getpid() if pid is None else pid) == 1:
        leave_in_order(signal.SIGTERM)


def leave_in_order(*signals: signal.Signals) -> None:
    """Let each of these signals end this process like an error: what was begun is cleared away on the way out."""
    for number in signals:
        signal.signal(number, _leave)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
