"""What a terminal is shown of the processes: warnings, a line each. All else lies in a file that never grows large."""

import json
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from cinema.stack.terminal import say
from stagedoor._observers.streams import WholeLines, grouped

__all__ = ["LOG_FILE", "CalmOutput", "RotatedFile", "warning_of"]

LOG_FILE: Final = Path("data/cinema.log")
_MOST_BYTES: Final = 10 * 2**20
_KEPT: Final = 3
_SHOWN: Final = ("service", "reason", "message", "detail", "cause", "operation")
_WARNING: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})
_LONGEST: Final = 200


class RotatedFile:
    """A file that makes room for another one before it becomes too large: `cinema.log.1` is the one before."""

    def __init__(self, path: Path, *, most: int = _MOST_BYTES, kept: int = _KEPT) -> None:
        self.path = path
        self._most = most
        self._kept = kept
        self._writing = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab")
        self._out = WholeLines(self._file)

    def write(self, lines: bytes) -> None:
        """Add whole lines; a disk that is full costs them, and nothing else."""
        with self._writing, suppress(OSError, ValueError):
            if self._file.tell() + len(lines) > self._most:
                self._rotate()
            for group in grouped(lines.splitlines(keepends=True)):
                self._out.write(b"".join(group))

    def _rotate(self) -> None:
        for number in range(self._kept - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        with suppress(FileNotFoundError):  # moved before; then no other could be made
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        full, self._file = self._file, self.path.open("ab")
        self._out = WholeLines(self._file)
        full.close()

    def close(self) -> None:
        """Write nothing more."""
        with self._writing:
            self._file.close()


class CalmOutput:
    """Keep the lines of all processes, and say those that warn; `warnings` counts them by process."""

    def __init__(self, file: RotatedFile) -> None:
        self.warnings: Counter[str] = Counter()
        self._file = file

    def take(self, name: str, lines: bytes) -> None:
        """Take whole lines of a process, from any thread."""
        self._file.write(b"".join(f"{name} | ".encode() + line + b"\n" for line in lines.splitlines()))
        for line in lines.splitlines():
            told = warning_of(line)
            if told is not None:
                self.warnings[name] += 1
                say(f"{name}: {told}")


def warning_of(line: bytes) -> str | None:
    """Return what a line warns of, in plain words; None for the line of a request, or one that only informs.

    What is no line of a log, the last words of a process that falls, is shown as it is.
    """
    text = line.decode(errors="replace").strip()
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return text[:_LONGEST] or None
    if not isinstance(record, dict):
        return text[:_LONGEST]
    if str(record.get("level")) not in _WARNING or record.get("event") == "request":
        return None
    said = [str(record[name]) for name in _SHOWN if (record.get(name) or "-") != "-"]
    return " ".join([str(record.get("event", "")).replace("_", " "), *said])[:_LONGEST]
