"""Standard input, output and error of a command, whatever somebody has started it with."""

import errno
import os
import sys
from contextlib import suppress
from typing import Final, TextIO

__all__ = ["DISK", "open_streams", "written"]

DISK: Final = 74  # of sysexits.h: what is written to is full, or fails
_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_streams() -> None:
    """Give a stream that was closed the null device: the next file that is opened would have its number."""
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # has the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115 - the process's


def written(code: int) -> int:
    """Return the exit code of a command that ended with `code`: 74, with a line, if its output could not be written.

    Who has left a pipe (`check | head -1`) has seen enough, and is told nothing.
    """
    lost = _lost(sys.stdout)
    if lost is not None and lost.errno != errno.EPIPE and code != DISK:
        with suppress(OSError):
            print(f"output cannot be written ({lost.strerror})", file=sys.stderr)  # noqa: T201 - for the terminal
        code = code or DISK
    _lost(sys.stderr)  # of which nobody is left to be told
    return code


def _lost(stream: TextIO) -> OSError | None:
    """Return what keeps a stream from being written; the rest of it goes nowhere, without further words."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None
