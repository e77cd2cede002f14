"""Plain tables: the first column is text, the others are figures and stand right."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["machine", "render"]

LOOP: Final = Path(__file__).resolve().parents[1] / "scripts" / "loop.py"


def render(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows under their heads, each column as wide as its widest cell."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [_line(row, widths) for row in (heads, *rows)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])


def machine() -> str:
    """Say what the figures were taken on, without names."""
    system = f"{platform.system()} {platform.machine()}"
    loop = [sys.executable, "-I", "-S", str(LOOP)]
    spent = int(subprocess.run(loop, capture_output=True, check=True, text=True).stdout)
    build = f"{platform.python_version()} ({platform.python_compiler()}, {spent / 1_000:.1f} ms a loop)"
    return f"{len(os.sched_getaffinity(0))} cores, {system}, Python {build}"
