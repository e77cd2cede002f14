"""Say what the ETL does: bars on a terminal, lines elsewhere."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from stagedoor._clock import Clock
from stagedoor._observers.lines import as_json, as_text

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["EtlReport", "Level", "Lines", "Terminal", "paced", "report_for"]

Level: TypeAlias = Literal["info", "warning", "error"]
_EVERY = 2.0  # seconds between two lines on one walk
_ORDER = ("info", "warning", "error")


class EtlReport(Protocol):
    """Where progress and trouble are told."""

    def begin(self, index: str, total: int, /) -> None:
        """Begin a walk through so many documents."""

    def advance(self, index: str, documents: int, /) -> None:
        """Note that so many more have been written."""

    def end(self, index: str, /) -> None:
        """End the walk."""

    def note(self, level: Level, event: str, **fields: object) -> None:
        """Tell what happened."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def paced(documents: int, seconds: float) -> Mapping[str, float]:
    """Return how long so many documents took, and how many that is a second."""
    return {"seconds": round(seconds, 2), "per_second": round(documents / seconds) if seconds > 0 else 0}


@dataclass(slots=True)
class _Walk:
    total: int
    began: float
    done: int = 0


class Lines:
    """One line an event, on a stream."""

    def __init__(
        self, write: Callable[[bytes], object], clock: Clock, *, least: str = "info", text: bool = False
    ) -> None:
        self._write = write
        self._clock = clock
        self._least = _ORDER.index(least) if least in _ORDER else 0
        self._encode = as_text if text else as_json
        self._walks: dict[str, _Walk] = {}
        self._said = clock.now()

    def begin(self, index: str, total: int, /) -> None:
        self._walks[index] = _Walk(total, self._clock.now())

    def advance(self, index: str, documents: int, /) -> None:
        walk = self._walks.get(index)
        if walk is None:
            return
        walk.done += documents
        if self._clock.now() - self._said >= _EVERY:
            self._said = self._clock.now()
            self.note("info", "etl_progress", index=index, documents=walk.done, total=walk.total)

    def end(self, index: str, /) -> None:
        walk = self._walks.pop(index, None)
        if walk is not None:
            seconds = self._clock.now() - walk.began
            rate = paced(walk.done, seconds)
            self.note("info", "etl_indexed", index=index, documents=walk.done, total=walk.total, **rate)

    def note(self, level: Level, event: str, **fields: object) -> None:
        if _ORDER.index(level) < self._least:
            return
        at = datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="milliseconds")
        record = {"timestamp": at, "level": level.upper(), "event": event, "service": "etl", **fields}
        self._write(self._encode(record))

    def close(self) -> None:
        """Nothing is kept."""


class Terminal:
    """Bars, and plain sentences above them."""

    def __init__(self) -> None:
        # Imported here: a tenth of a second that only a terminal needs.
        from rich import progress  # noqa: PLC0415

        self._progress = progress.Progress(
            progress.TextColumn("{task.description:<8}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
        )
        self._walks: dict[str, TaskID] = {}

    def begin(self, index: str, total: int, /) -> None:
        self._progress.start()
        self._walks[index] = self._progress.add_task(index, total=total)

    def advance(self, index: str, documents: int, /) -> None:
        if index in self._walks:
            self._progress.advance(self._walks[index], documents)

    def end(self, index: str, /) -> None:
        if self._walks.pop(index, None) is not None and not self._walks:
            self._progress.stop()

    def note(self, level: Level, event: str, **fields: object) -> None:
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        style = {"info": "", "warning": "yellow", "error": "red"}[level]
        self._progress.console.print(
            f"{event.removeprefix('etl_')} {told}".strip(), style=style, markup=False
        )

    def close(self) -> None:
        self._progress.stop()


def report_for(clock: Clock, *, text: bool, least: str) -> EtlReport:
    """Return bars if standard output is a terminal, lines if it is anything else."""
    if sys.stdout.isatty():
        return Terminal()

    def write(line: bytes) -> None:
        with suppress(OSError):  # a line that cannot be written ends no work
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    return Lines(write, clock, least=least.lower(), text=text)
