"""Programs of this machine as servers of the tests: found, started on loopback, asked whether they answer."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.servers import LOOPBACK, Recipe, Unavailable, ask, parental

__all__ = ["ROOT", "answers_http", "nothing", "program", "web"]

ROOT = Path(__file__).resolve().parents[2]
_APART = "/usr/sbin"  # where Debian puts servers, which not everybody has on PATH


def program(name: str, package: str) -> str:
    """Return where a program is. Raise `Unavailable`, naming Debian's package of it."""
    found = shutil.which(name) or shutil.which(name, path=_APART)
    if found is None:
        raise Unavailable(f"{name}: install Debian's {package}")
    return found


def answers_http(port: int) -> bool:
    """Tell whether somebody speaks HTTP there."""
    return ask(port, b"GET / HTTP/1.0\r\n\r\n") == b"HTTP/"


def nothing(_: Path) -> None:
    """Need nothing to be there before the start."""


def web(
    name: str,
    port: int,
    command: Callable[[Path], list[str]],
    prepare: Callable[[Path], None] = nothing,
) -> Recipe:
    """Say how a program with a page of its own is run on a port."""
    return Recipe(
        name=name,
        url=f"http://{LOOPBACK}:{{port}}",
        prepare=prepare,
        command=lambda folder, _: [*parental(), *command(folder)],
        answers=answers_http,
        farewell=signal.SIGTERM,
        port=lambda: port,
    )
