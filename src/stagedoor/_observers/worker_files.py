"""The files in which workers keep their numbers: what one leaves that ended without a word is taken out."""

import os
from contextlib import suppress
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

__all__ = ["forget_the_dead"]


def forget_the_dead(directory: Path) -> None:
    """Take the gauges of workers that have ended out of the sum; one that was killed could not do so itself."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in directory.glob("gauge_live*.db")}:
        if not _lives(pid):
            with suppress(FileNotFoundError):  # another worker was faster
                mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, and somebody else's
        return True
    return True
