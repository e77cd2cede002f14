"""The files in which workers keep their numbers: what one leaves that ended without a word is taken out."""

import os
from contextlib import suppress
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

__all__ = ["forget_the_dead", "lives", "owner_of"]


def forget_the_dead(directory: Path) -> None:
    """Take the gauges of workers that have ended out of the sum; one that was killed could not do so itself."""
    for pid in set(map(owner_of, directory.glob("gauge_live*.db"))):
        if not lives(pid):
            with suppress(FileNotFoundError):  # another worker was faster
                mark_process_dead(pid)  # type: ignore[no-untyped-call]


def owner_of(file: Path) -> int:
    """Return the id of the process that began a file, `kind_PID.db` or `kind_PID-more.db`."""
    return int(file.stem.rpartition("_")[2].partition("-")[0])


def lives(pid: int) -> bool:
    """Tell whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, and somebody else's
        return True
    return True
