"""A file of numbers of one process, as prometheus_client's `MmapedDict` makes it.

How much of it is used, as a 4-byte integer, padded to 8; then for each number the length of its key, the key padded to
8, the value and a time, which are doubles.

What is written is memory that stands for the file. Where the file system has no room left for that, the system does not
refuse: it kills the process (SIGBUS). So all room is reserved before it is written to.

A file has one owner, who holds a lock on it for as long as it lives. What a dead one leaves is counted on by the next
that comes: or each worker that is replaced would leave files for good, and each page would read all of them.
"""

import fcntl
import mmap
import os
import struct
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client.mmap_dict import _read_all_values

__all__ = ["NumberFile", "Place"]

_SIZE: Final = 65_536  # of a new file
_BEGIN: Final = 8
_USED: Final = struct.Struct("i")
_VALUE: Final = struct.Struct("d")


class Place:
    """Where a number stands: a file that grows is mapped again, and stays mapped where it was."""

    __slots__ = ("_at", "_octets")

    def __init__(self, octets: mmap.mmap, at: int) -> None:
        self._octets = octets
        self._at = slice(at, at + 8)

    def read(self) -> float:
        """Return what stands there."""
        value: float = _VALUE.unpack(self._octets[self._at])[0]
        return value

    def write(self, value: float) -> None:
        """Replace it, all octets at once: a reader must not see half of it."""
        self._octets[self._at] = _VALUE.pack(value)


class NumberFile:
    """The numbers of one kind. `lock` is a descriptor that locks it, `left` says where a dead owner's numbers are."""

    def __init__(self, path: Path, lock: int, left: Mapping[str, int] | None = None) -> None:
        self._path = path
        self._octets = self._mapped(os.fstat(lock).st_size)
        self._end: int = _USED.unpack_from(self._octets)[0]
        self._left = dict(left or {})
        weakref.finalize(self, os.close, lock)

    @classmethod
    def begun(cls, path: Path) -> "NumberFile":
        """Begin one, empty but complete at any moment: others read what is there. Raises `OSError`."""
        lock, name = tempfile.mkstemp(dir=path.parent)
        try:
            _reserve(lock, _SIZE)
            os.write(lock, _USED.pack(_BEGIN))
            _lock(lock)
            return cls(Path(name).rename(path), lock)
        except OSError:
            os.close(lock)
            with suppress(OSError):
                Path(name).unlink()
            raise

    @classmethod
    def taken_over(cls, path: Path) -> "NumberFile | None":
        """Return one whose owner is dead; None where somebody holds it, or nobody can read it."""
        lock = -1
        try:
            lock = os.open(path, os.O_RDWR)
            if not _lock(lock):
                raise BlockingIOError
            return cls(path, lock, _numbers_in(path.read_bytes()))
        except (OSError, ValueError, RuntimeError, struct.error):
            if lock >= 0:
                os.close(lock)
            return None

    def place(self, key: str) -> Place:
        """Return where a number of the dead owner stands, or make room for a new one, which is 0; raises `OSError`."""
        if key in self._left:
            return Place(self._octets, self._left.pop(key))
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


def _numbers_in(octets: bytes) -> dict[str, int]:
    """Return where each number stands, by its key; raises an error of some kind where the file is torn."""
    found = {key: at for key, _, _, at in _read_all_values(octets)}  # type: ignore[no-untyped-call]
    if "" in found or not _BEGIN <= _USED.unpack_from(octets)[0] <= len(octets):
        raise ValueError("no file of numbers")
    return found


def _lock(file: int) -> bool:
    """Hold a file, if nobody else does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _reserve(file: int, size: int) -> None:
    """Let a file have so many octets, and room for them; raises `OSError`."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)
