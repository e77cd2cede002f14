"""How a command fails: one line an error on standard error, and an exit code that says what kind it is.

The codes are those of sysexits.h, so that scripts can tell them apart.
"""

import errno
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from stagedoor._commands.first_process import obey_signals
from stagedoor._commands.streams import DISK, open_streams, written

__all__ = [
    "CANNOT_CREATE",
    "CONFIG",
    "DATA",
    "DISK",
    "FINDINGS",
    "MISSING",
    "SYSTEM",
    "TAKEN",
    "USAGE",
    "OneLine",
    "fail",
]

FINDINGS: Final = 1  # `check` found something
USAGE: Final = 64  # the command line cannot be understood
DATA: Final = 65  # the module fails while it is imported, or what it has is no gateway
MISSING: Final = 66  # there is no such module, or nothing of that name in it
TAKEN: Final = 69  # another process listens there
SYSTEM: Final = 71  # the system refuses
CANNOT_CREATE: Final = 73  # a file or folder cannot be written
CONFIG: Final = 78  # a declaration or a setting cannot work

_UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]


def fail(code: int, lines: Iterable[str]) -> NoReturn:
    """Say what is wrong, a line each, and end with that code; findings are what was asked for, so they are output."""
    from rich.console import Console  # noqa: PLC0415 - a command that works needs no colours

    console = Console(stderr=code != FINDINGS)
    with suppress(OSError):  # the code says it, too
        for line in lines:
            console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


class OneLine(TyperGroup):
    """Commands whose wrong use is told in one line, with the command that helps."""

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as typer has it
        """Run a command and end the process; without arguments, show what there is."""
        open_streams()
        obey_signals()
        given = args[0] if args else options.pop("args", None)
        words = list(sys.argv[1:] if given is None else given) or ["--help"]
        sys.exit(written(self._code(words, options | {"standalone_mode": False})))

    def _code(self, words: Sequence[str], options: dict[str, Any]) -> int:
        try:
            ended = super().main(words, **options)
        except _UsageError as error:
            return _told(USAGE, _line(error, self.name or ""))
        except typer.Abort:
            return _told(SYSTEM, "stopped")
        except OSError as error:
            return _of_system(error)
        return ended if isinstance(ended, int) else 0


def _of_system(error: OSError) -> int:
    """Tell what the system refused; what has no name is most often the output."""
    if error.filename is not None:
        return _told(SYSTEM, f"{error.filename}: {error.strerror}")
    if error.errno == errno.EPIPE:  # who reads has seen enough
        return 128 + signal.SIGPIPE
    if error.errno in {errno.ENOSPC, errno.EIO}:
        return _told(DISK, f"output cannot be written ({error.strerror})")
    return _told(SYSTEM, str(error))


def _told(code: int, line: str) -> int:
    try:
        fail(code, [line])
    except typer.Exit:
        return code


def _line(error: Any, name: str) -> str:  # noqa: ANN401 - an error of the library that typer brings along
    path = error.ctx.command_path if error.ctx else name
    return f"{' '.join(error.format_message().split()).rstrip('.')}; see {path} --help"
