"""Where in a user's code a thing was declared, for messages that name it."""

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Place", "here", "place_of_code"]

_KIT = str(Path(__file__).parent.parent)


@dataclass(frozen=True, slots=True)
class Place:
    """A file, from here if it is below, and a line."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def here() -> Place:
    """Return the innermost line of the stack that is not the kit's own."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to the caller's line, and a cheap one
    while frame.f_code.co_filename.startswith(_KIT) and frame.f_back is not None:
        frame = frame.f_back
    return _place(frame.f_code.co_filename, frame.f_lineno)


def place_of_code(call: object) -> Place:
    """Return where a function begins."""
    code = getattr(inspect.unwrap(call) if callable(call) else call, "__code__", None)
    return Place("-", 0) if code is None else _place(code.co_filename, code.co_firstlineno)


def _place(name: str, line: int) -> Place:
    file, base = Path(name), Path.cwd()
    return Place(str(file.relative_to(base) if file.is_relative_to(base) else file), line)
