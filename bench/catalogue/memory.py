"""What a process has in memory: /proc/PID/smaps_rollup (proc(5)), in bytes."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "memory_of", "parse"]

_LINE = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident in all, with the mapped pages of files; its share of these; what is backed by no file."""

    rss: int
    pss: int
    anonymous: int


def memory_of(pid: int) -> Memory:
    """Return what a process has in memory now."""
    return parse(Path(f"/proc/{pid}/smaps_rollup").read_text())


def parse(text: str) -> Memory:
    """Read the file."""
    held = {name: int(kilobytes) * 1024 for name, kilobytes in _LINE.findall(text)}
    return Memory(held["Rss"], held["Pss"], held["Anonymous"])
