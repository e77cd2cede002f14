"""What the parent says, and what it passes on of its children: whole lines, from any thread."""

import sys
import threading
from contextlib import suppress

from cinema.stack.parts import StackProcess

__all__ = ["follow", "say", "show", "table_of"]

_PRINTING = threading.Lock()


def say(line: str) -> None:
    """Say a line of the parent's own."""
    _write(f"cinema: {line}\n".encode())


def _write(lines: bytes) -> None:
    with _PRINTING, suppress(OSError, ValueError):
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()


def follow(descriptor: int, name: str) -> None:
    """Copy a child's output, each line behind its name, many lines at a time."""
    prefix = f"{name} | ".encode()
    with open(descriptor, "rb", buffering=0) as output:
        rest = b""
        while chunk := output.read(65_536):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                _write(prefix + whole.replace(b"\n", b"\n" + prefix) + b"\n")
        if rest:
            _write(prefix + rest + b"\n")


_FIRST = {"ghibli": "films"}  # the list to look at, of services that are not called like theirs
_TRY = "/api/profile/user123"
_TRY_FILMS = "/api/v1/films/search?query=star"


def show(parts: list[StackProcess]) -> None:
    """Say where everything is: a table for a terminal, plain lines for a file."""
    *services, gateway = parts
    if not sys.stdout.isatty():
        for part in (gateway, *services):
            say(f"{part.name} ready at {part.url}" if part.port else f"{part.name} runs")
        say(f"try: curl {gateway.url}{_TRY}")
        say(f"try: curl '{gateway.url}{_TRY_FILMS}'")
        return
    _write(table_of(gateway, services).encode())


def table_of(gateway: StackProcess, services: list[StackProcess]) -> str:
    """Draw where everything is."""
    # Imported here: a tenth of a second that only a terminal needs.
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, title="cinema is ready", title_justify="left", title_style="bold green")
    table.add_column("process", style="cyan")
    table.add_column("address")
    table.add_column("what to open")
    table.add_row("gateway", gateway.url, f"{_TRY}   /docs   /health   /metrics", style="bold")
    for part in services:
        if part.port:
            table.add_row(part.name, part.url, f"/{_FIRST.get(part.name, part.name)}   /health   /metrics")
        else:
            table.add_row(part.name, "", "")
    console = Console()
    with console.capture() as capture:
        console.print(table)
        films = f"  curl '{gateway.url}{_TRY_FILMS}'\n"
        console.print(f"  curl {gateway.url}{_TRY}\n{films}  Ctrl-C stops everything.\n", highlight=False)
    return capture.get()
