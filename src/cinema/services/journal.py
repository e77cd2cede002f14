"""Write log lines, one JSON object each, without making the event loop wait for whoever reads them.

Lines are encoded where they arise and handed to a thread, which writes what has gathered in one go. If
the reader stalls, lines are dropped beyond a bound and counted, and requests go on. Records of the
standard library's logging (the server's, the database's) come out in the same form.
"""

import logging
import os
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

__all__ = ["Journal", "JournalHandler", "json_line", "text_line"]

_WAITING = 20_000  # lines kept for a reader that stalls
_GATHER_SECONDS = 0.02
_LINE_BYTES = 8_000  # promise T15: one event is one line of at most 8 kB
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


def json_line(fields: dict[str, Any]) -> bytes:
    """Encode an event as one line of JSON, its longest text cut until it fits."""
    line = orjson.dumps(fields, default=repr)
    while len(line) > _LINE_BYTES:
        longest = max(fields, key=lambda name: len(str(fields[name])))
        fields = fields | {longest: str(fields[longest])[: len(str(fields[longest])) // 2] + "…"}
        line = orjson.dumps(fields, default=repr)
    return line


def text_line(fields: dict[str, Any]) -> bytes:
    """Write an event for eyes: time, level, event, then name=value; control characters stay escaped."""
    rest = (f"{name}={_bare(value)}" for name, value in list(fields.items())[3:] if value is not None)
    return " ".join(
        (f"{fields['timestamp'][11:23]} {fields['level']:<7} {_bare(fields['event'])}", *rest)
    ).encode("utf-8", "replace")[:_LINE_BYTES]


def _bare(value: object) -> str:
    return (
        value
        if isinstance(value, str) and value.isprintable()
        else orjson.dumps(value, default=repr).decode()
    )


class Journal:
    """Take events and write them to a file descriptor from a thread of its own."""

    def __init__(
        self, service: str, level: str = "INFO", form: Literal["json", "text"] = "json", descriptor: int = 1
    ) -> None:
        self._service = service
        self._level = _LEVELS[level]
        self._encode = json_line if form == "json" else text_line
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._wanted = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def event(self, level: str, event: str, /, **fields: Any) -> None:  # noqa: ANN401 - whatever is worth saying
        """Note that something happened; the time is now."""
        if _LEVELS[level] < self._level:
            return
        if len(self._lines) >= _WAITING:
            self._dropped += 1
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.append(
            self._encode(
                {"timestamp": now, "level": level.lower(), "event": event, "service": self._service, **fields}
            )
        )
        if not self._wanted.is_set():
            self._wanted.set()

    def close(self) -> None:
        """Write what is waiting, for at most a second, and stop."""
        self._closing = True
        self._wanted.set()
        self._thread.join(1.0)

    def _write(self) -> None:
        while not (self._closing and not self._lines):
            self._wanted.wait()
            if not self._closing:
                time.sleep(_GATHER_SECONDS)  # one write and one wake-up for many lines
            self._wanted.clear()
            if not self._drain():
                return
            if self._closing:
                self._wanted.set()

    def _drain(self) -> bool:
        waiting = len(self._lines)
        chunk = b"".join(self._lines.popleft() + b"\n" for _ in range(waiting))
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self.event("WARNING", "log_lines_dropped", count=dropped)
        try:
            while chunk:
                chunk = chunk[os.write(self._descriptor, chunk) :]
        except OSError:
            return False  # nobody reads any more: there is no one left to tell
        return True


class JournalHandler(logging.Handler):
    """Bring records of the standard library's logging into the journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as an event."""
        level = "ERROR" if record.levelno >= 40 else "WARNING" if record.levelno >= 30 else "INFO"
        extra = {}
        if record.exc_info and record.exc_info[1]:
            extra["exception"] = "".join(traceback.format_exception(record.exc_info[1]))[-4_000:]
        self._journal.event(level, record.getMessage(), logger=record.name, **extra)
