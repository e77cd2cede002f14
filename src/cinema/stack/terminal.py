"""What the parent says, and what it passes on of its children: whole lines, from any thread."""

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import BinaryIO, TypeAlias

from cinema.stack.parts import StackProcess
from stagedoor._observers.streams import WholeLines, grouped

__all__ = ["Take", "copy", "follow", "say", "show", "table_of"]

_PRINTING = threading.Lock()
_WIDTH = len("products")  # the longest name
Take: TypeAlias = Callable[[str, bytes], None]  # of lines of a process, by its name


def say(line: str) -> None:
    """Say a line of the parent's own."""
    _write(f"cinema: {line}\n".encode())


def _write(lines: bytes) -> None:
    with _PRINTING, suppress(OSError, ValueError):
        out = _whole(sys.stdout.buffer)
        for group in grouped(lines.splitlines(keepends=True)):
            out.write(b"".join(group))


@lru_cache(maxsize=1)
def _whole(stream: BinaryIO) -> WholeLines:
    """Return what is known of a stream: what it has not taken yet of a line that has begun."""
    return WholeLines(stream)


def follow(descriptor: int, name: str, take: Take) -> None:
    """Hand a child's output on, whole lines of it, many at a time."""
    with open(descriptor, "rb", buffering=0) as output:
        rest = b""
        while chunk := output.read(65_536):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                take(name, whole)
        if rest:
            take(name, rest)


def copy(name: str, lines: bytes) -> None:
    """Write lines of a child as they came, each behind its name."""
    prefix = f"{name.ljust(_WIDTH)} | ".encode()
    _write(prefix + lines.replace(b"\n", b"\n" + prefix) + b"\n")


_FIRST = {"ghibli": "films"}  # the list to look at, of services that are not called like theirs
_TRY = "/api/profile/user123"
_TRY_FILMS = "/api/v1/films/search?query=star"


def show(parts: list[StackProcess], states: Mapping[str, str], title: str = "cinema is ready") -> None:
    """Say where everything is and how it fares: a table for a terminal, plain lines for a file."""
    *services, gateway = parts
    if not sys.stdout.isatty():
        for part in (gateway, *services):
            say(f"{part.name} ready at {part.url}" if part.port else f"{part.name} runs")
        say(f"try: curl {gateway.url}{_TRY}")
        say(f"try: curl '{gateway.url}{_TRY_FILMS}'")
        return
    _write(table_of(gateway, services, states, title).encode())


def table_of(
    gateway: StackProcess, services: list[StackProcess], states: Mapping[str, str], title: str
) -> str:
    """Draw where everything is, and how it fares."""
    # Imported here: a tenth of a second that only a terminal needs.
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold green")
    table.add_column("process", style="cyan")
    table.add_column("state")
    table.add_column("address")
    table.add_column("what to open")
    opening = f"{_TRY}   /docs   /health   /metrics"
    table.add_row("gateway", states.get("gateway", ""), gateway.url, opening, style="bold")
    for part in services:
        paths = f"/{_FIRST.get(part.name, part.name)}   /health   /metrics" if part.port else ""
        table.add_row(part.name, states.get(part.name, ""), part.url if part.port else "", paths)
    console = Console()
    with console.capture() as capture:
        console.print(table)
        films = f"  curl '{gateway.url}{_TRY_FILMS}'\n"
        console.print(f"  curl {gateway.url}{_TRY}\n{films}  Ctrl-C stops everything.\n", highlight=False)
    return capture.get()
