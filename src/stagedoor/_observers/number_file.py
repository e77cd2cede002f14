"""A file of numbers of one process, as prometheus_client's `MmapedDict` makes it.

How much of it is used, as a 4-byte integer, padded to 8; then for each number the length of its key, the key padded to
8, the value and a time, which are doubles.

What is written is memory that stands for the file. Where the file system has no room left for that, the system does not
refuse: it kills the process (SIGBUS). So all room is reserved before it is written to.
"""

import mmap
import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["NumberFile", "Place"]

_SIZE: Final = 65_536  # of a new file
_BEGIN: Final = 8
_USED: Final = struct.Struct("i")
_VALUE: Final = struct.Struct("d").pack


class Place:
    """Where a number stands: a file that grows is mapped again, and stays mapped where it was."""

    __slots__ = ("_at", "_octets")

    def __init__(self, octets: mmap.mmap, at: int) -> None:
        self._octets = octets
        self._at = slice(at, at + 8)

    def write(self, value: float) -> None:
        """Replace it, all octets at once: a reader must not see half of it."""
        self._octets[self._at] = _VALUE(value)


class NumberFile:
    """The numbers of one kind."""

    def __init__(self, path: Path) -> None:
        """Begin anew at a path, empty but complete at any moment: others read what is there. Raises `OSError`."""
        made, name = tempfile.mkstemp(dir=path.parent)
        try:
            with open(made, "wb") as file:  # noqa: PTH123 - it is open
                _reserve(file.fileno(), _SIZE)
                file.write(_USED.pack(_BEGIN))
            self._path = Path(name).rename(path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
        self._end = _BEGIN
        self._octets = self._mapped(_SIZE)

    def place(self, key: str) -> Place:
        """Make room for one more number, which is 0; raises `OSError` where there is none."""
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        entry = struct.pack(f"i{len(padded)}sdd", len(encoded), padded, 0.0, 0.0)
        begin, end = self._end, self._end + len(entry)
        while end > len(self._octets):
            self._octets = self._mapped(2 * len(self._octets))
        self._octets[begin:end] = entry
        self._octets[: _USED.size] = _USED.pack(end)
        self._end = end
        return Place(self._octets, end - 16)

    def _mapped(self, size: int) -> mmap.mmap:
        with self._path.open("r+b") as file:
            _reserve(file.fileno(), size)
            return mmap.mmap(file.fileno(), size)


def _reserve(file: int, size: int) -> None:
    """Let a file have so many octets, and room for them; raises `OSError`."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)
