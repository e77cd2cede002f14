"""Read a small file that an operator names: a list of keys, a secret, settings. Nothing there may hold up a start."""

import os
import stat
from pathlib import Path

__all__ = ["read_plain"]


def read_plain(path: Path, most: int) -> bytes:
    """Return what a file holds, at most so many octets.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a pipe, at which one may wait for ever, or holds more; the text says what is right.

    """
    with open(path, "rb", opener=_at_once) as file:
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            raise ValueError("must be a file, not a pipe")
        held = file.read(most + 1)
    if len(held) > most:
        raise ValueError(f"must hold at most {most} octets")
    return held


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # otherwise opening waits for somebody who writes
