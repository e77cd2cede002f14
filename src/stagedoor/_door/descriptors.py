"""How many files and connections a process may have open: as many as the system lets it."""

import contextlib
import resource
from typing import Final

__all__ = ["raise_descriptor_limit", "too_few"]

LEAST: Final = 128  # a process that serves: its libraries, its pools, and a few clients


def raise_descriptor_limit() -> None:
    """Allow as many open descriptors as the system lets us: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def too_few(hard: int | None = None) -> str | None:
    """Return the line for a limit under which nobody can serve; None if it lets us. `hard` is the system's."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if hard is None else hard
    if most == resource.RLIM_INFINITY or most >= LEAST:
        return None
    return f"ulimit -n: this process may open {most} files, and needs {LEAST} at least; 65536 is a good limit"
