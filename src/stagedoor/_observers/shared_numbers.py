"""Counters, gauges and histograms of one of several workers, in files that prometheus_client adds up.

The library's own children take a lock, look for forks and look their place up at each step: 1.3 microseconds each, of
which a kept answer takes four. These know their place in the file. As in `numbers`, the event loop's thread alone adds
to them. A number is in the file as soon as it is counted: a worker that is killed loses none, and a page is exact.

Where there is no room for a number, it is kept in memory, and written as soon as there is.
"""

import logging
import os
import tempfile
import weakref
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Final, Generic, TypeVar

from prometheus_client.mmap_dict import mmap_key
from prometheus_client.utils import floatToGoString

from stagedoor._observers.number_file import NumberFile, Place
from stagedoor._observers.worker_files import lives, owner_of
from stagedoor.errors import ConfigError

__all__ = [
    "DIRECTORY",
    "NumberFiles",
    "SharedFamily",
    "SharedNumber",
    "SharedSpread",
    "check_numbers",
    "counters",
    "gauges",
    "histograms",
]

C = TypeVar("C")
DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
_LOGGER: Final = logging.getLogger("stagedoor._observers")
_GAUGES: Final[dict[Path, NumberFile]] = {}  # of this process: the library finds them by its id


def check_numbers() -> None:
    """Raise `ConfigError` where the numbers of several workers have a folder that takes none."""
    folder = os.environ.get(DIRECTORY)
    if folder:
        NumberFiles(Path(folder))


class NumberFiles:
    """The files of this process in the folder of all workers, made when they are needed."""

    def __init__(self, folder: Path) -> None:
        """Raise `ConfigError` where nothing can be written there."""
        try:
            with tempfile.TemporaryFile(dir=folder):
                self._folder = folder
        except OSError as error:
            wanted = "must be a folder that is there and can be written"
            raise ConfigError(f"{DIRECTORY}: {str(folder)!r} {wanted} ({error.strerror})") from error
        self._files: dict[str, NumberFile] = {}
        self._gauges: list[Place] = []
        self._told = False
        weakref.finalize(self, _reset, self._gauges).atexit = False

    def place(self, kind: str, *key: object) -> "Place | _Pending":
        """Make room for a number; the key is what the library makes one of: metric, name, labels, values, text."""
        found = self._sought(kind, key)
        return _Pending(partial(self._sought, kind, key)) if found is None else found

    def _sought(self, kind: str, key: tuple[object, ...]) -> Place | None:
        gauge = kind.startswith("gauge")
        try:
            place = (self._of_process if gauge else self._of_ours)(kind).place(mmap_key(*key))  # type: ignore[arg-type] # in the library's order
        except OSError as error:
            self._tell(error)
            return None
        if gauge:
            self._gauges.append(place)
        return place

    def _tell(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            text = "%s: no room for a number in %s (%s); /metrics lacks it until there is"
            _LOGGER.warning(text, DIRECTORY, self._folder, error.strerror or error)

    def _of_ours(self, kind: str) -> NumberFile:
        """Return the file of what outlives a process: one that a dead process has left, else a new one."""
        file = self._files.get(kind)
        if file is None:
            left = (path for path in self._folder.glob(f"{kind}_*-*.db") if not lives(owner_of(path)))
            file = next(filter(None, map(NumberFile.taken_over, left)), None)
            path = self._folder / f"{kind}_{os.getpid()}-{os.urandom(4).hex()}.db"
            file = self._files[kind] = file or NumberFile.begun(path)
        return file

    def _of_process(self, kind: str) -> NumberFile:
        """Return the file of what ends with its process: one for all gateways of this process."""
        path = self._folder / f"{kind}_{os.getpid()}.db"
        file = _GAUGES.get(path)
        if file is None or not path.exists():
            file = _GAUGES[path] = NumberFile.begun(path)
        return file


class _Pending:
    """The place of a number that there is no room for yet: looked for again with each count."""

    __slots__ = ("_before", "_found", "_seek")

    def __init__(self, seek: Callable[[], Place | None]) -> None:
        self._seek = seek
        self._found: Place | None = None
        self._before = 0.0

    def read(self) -> float:
        """Return 0: what a dead process has left there is added when it is found."""
        return 0.0

    def write(self, value: float) -> None:
        """Replace it, if there is room by now."""
        if self._found is None:
            self._found = self._seek()
            self._before = 0.0 if self._found is None else self._found.read()
        if self._found is not None:
            self._found.write(self._before + value)


def _reset(gauges: list[Place]) -> None:
    """Let nothing be told of a gateway that is no more, in a process that goes on."""
    for place in gauges:
        place.write(0.0)


class SharedNumber:
    """One number."""

    __slots__ = ("_value", "_write")

    def __init__(self, place: Place | _Pending) -> None:
        self._value = place.read()
        self._write = place.write

    def inc(self, amount: float = 1.0) -> None:
        """Add one, or as much as is given."""
        self._value += amount
        self._write(self._value)

    def dec(self) -> None:
        """Take one away."""
        self._value -= 1.0
        self._write(self._value)

    def set(self, value: float) -> None:
        """Replace it."""
        self._value = value
        self._write(value)


class SharedSpread:
    """How many observations fell between each two bounds, and their sum."""

    __slots__ = ("_add", "_bounds", "_counts")

    def __init__(self, bounds: Sequence[float], counts: Sequence[SharedNumber], total: SharedNumber) -> None:
        self._bounds = bounds
        self._counts = [count.inc for count in counts]
        self._add = total.inc

    def observe(self, value: float) -> None:
        """Count one observation; a bound belongs to the bucket it closes."""
        self._counts[bisect_left(self._bounds, value)]()
        self._add(value)


class SharedFamily(Generic[C]):
    """The children of one metric, by the values of its labels."""

    def __init__(self, make: Callable[[tuple[str, ...]], C]) -> None:
        self._make = make
        self._children: dict[tuple[str, ...], C] = {}

    def labels(self, *values: object) -> C:
        """Return the child of these values, made at first use."""
        key = tuple(map(str, values))
        child = self._children.get(key)
        return child if child is not None else self._children.setdefault(key, self._make(key))


def counters(files: NumberFiles, name: str, text: str, labels: Sequence[str]) -> SharedFamily[SharedNumber]:
    """Return a counter; its name ends in `_total`."""
    metric = name.removesuffix("_total")
    return SharedFamily(
        lambda values: SharedNumber(files.place("counter", metric, name, labels, values, text))
    )


def gauges(
    files: NumberFiles, name: str, text: str, labels: Sequence[str], mode: str
) -> SharedFamily[SharedNumber]:
    """Return a gauge; the mode is how the library makes one of all workers' (`livesum`, `livemax`)."""
    kind = f"gauge_{mode}"
    return SharedFamily(lambda values: SharedNumber(files.place(kind, name, name, labels, values, text)))


def histograms(
    files: NumberFiles, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]
) -> SharedFamily[SharedSpread]:
    """Return a histogram with these upper bounds, ascending; one without bound is added."""

    def make(values: tuple[str, ...]) -> SharedSpread:
        total = SharedNumber(files.place("histogram", name, f"{name}_sum", labels, values, text))
        limits = [floatToGoString(bound) for bound in (*bounds, inf)]  # type: ignore[no-untyped-call]
        bucket = ("histogram", name, f"{name}_bucket", (*labels, "le"))
        counts = [SharedNumber(files.place(*bucket, (*values, limit), text)) for limit in limits]
        return SharedSpread(bounds, counts, total)

    return SharedFamily(make)
