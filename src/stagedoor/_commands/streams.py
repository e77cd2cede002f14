"""Standard input, output and error of a command, whatever somebody has started it with."""

import errno
import os
import sys
from typing import Final

__all__ = ["open_streams", "written"]

_IOERR: Final = 74  # of sysexits.h: a disk, or whatever else is written to
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
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the rest goes nowhere, without further words
        if error.errno == errno.EPIPE or code == _IOERR:
            return code
        print(f"output cannot be written ({error.strerror})", file=sys.stderr)  # noqa: T201 - for the terminal
        return code or _IOERR
    return code
