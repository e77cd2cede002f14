"""Lines of the standard library's loggers, led to the log of a gateway.

Several gateways may run side by side in one process, and end in any order. Lines go to the one that asked last of those
that still run; when none is left, a logger is as it was before the first. Handlers that somebody adds meanwhile, as
for Sentry, stay.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from stagedoor._observers.lines import Level, where

__all__ = ["Capture"]


class WriteLine(Protocol):
    """Writes one line of trouble."""

    def __call__(self, level: Level, event: str, *, service: str = "", **fields: object) -> None:
        """Log one line within the allowance of its kind."""


@dataclass(slots=True)
class _Loggers:
    """A logger as it was, and who has asked for its lines since, the last one at the end."""

    handlers: list[logging.Handler]
    level: int
    propagate: bool
    captures: "list[Capture]" = field(default_factory=list)


_CAPTURED: Final[dict[str, _Loggers]] = {}


class Capture:
    """Leads the lines of one logger, the root for "", to a log until `end`; `least` is the level that matters."""

    def __init__(self, name: str, write: WriteLine, least: int) -> None:
        self._name = name
        self._least = least
        self._handler = _QueueHandler(write)
        logger = logging.getLogger(name)
        before = _CAPTURED.setdefault(name, _Loggers(logger.handlers, logger.level, logger.propagate))
        before.captures.append(self)
        self._lead(logger)

    def _lead(self, logger: logging.Logger) -> None:
        logger.handlers = [self._handler, *_added(logger, _CAPTURED[self._name])]
        logger.propagate = False
        logger.setLevel(self._least)

    def end(self) -> None:
        """Let the lines go where they would without this."""
        before, logger = _CAPTURED[self._name], logging.getLogger(self._name)
        before.captures.remove(self)
        if before.captures:
            before.captures[-1]._lead(logger)  # noqa: SLF001 - one of its own kind
            return
        del _CAPTURED[self._name]
        logger.handlers, logger.propagate = [*before.handlers, *_added(logger, before)], before.propagate
        logger.setLevel(before.level)


def _added(logger: logging.Logger, before: _Loggers) -> list[logging.Handler]:
    """Return the handlers that somebody has added since the first capture."""
    known = before.handlers
    return [one for one in logger.handlers if one not in known and not isinstance(one, _QueueHandler)]


class _QueueHandler(logging.Handler):
    """Lines of the standard library's loggers, through the log's queue, allowances and redaction."""

    def __init__(self, write: Callable[..., None]) -> None:
        super().__init__()
        self._write_line = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; an exception is told by its type and places, not by its text."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - what is to be shown may break in any way, and is no fault of who logs it
            message = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        told = {} if error is None else {"error": where(error)}
        self._write_line(_level_of(record.levelno), "log", reason=record.name, message=message, **told)


def _level_of(number: int) -> Level:
    if number >= logging.ERROR:
        return "ERROR"
    if number >= logging.WARNING:
        return "WARNING"
    return "INFO" if number >= logging.INFO else "DEBUG"
