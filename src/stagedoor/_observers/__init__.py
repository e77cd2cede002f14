"""Sinks of events, one a file. Import the file you need: each brings its own library along."""

import logging
from typing import Protocol, TypeAlias, runtime_checkable

from stagedoor._events import Event, Observer

__all__ = ["Selective", "fan_out"]

_LOGGER = logging.getLogger("stagedoor._observers")


@runtime_checkable
class Selective(Protocol):
    """A sink that does not care for every kind of event: what it ignores costs nothing."""

    def listener(self, kind: type[Event], /) -> Observer | None:
        """Return what takes events of exactly this kind; None if nothing does."""
        ...


Sink: TypeAlias = Observer | Selective


def fan_out(*sinks: Sink) -> Observer:
    """Return one observer that tells all sinks, in order, and never lets a sink's failure reach a request.

    A sink that fails is reported to the standard logger "stagedoor._observers" the first time; the others still
    hear every event.
    """
    reported: set[Sink] = set()
    listeners = _Listeners(sinks)

    def observe(event: Event) -> None:
        for sink, listen in listeners[type(event)]:
            try:
                listen(event)
            except Exception:
                if sink not in reported:
                    reported.add(sink)
                    _LOGGER.warning("observer %r failed; reported once", sink, exc_info=True)

    return observe


class _Listeners(dict[type[Event], list[tuple[Sink, Observer]]]):
    """Who takes which kind of event, asked once for each kind."""

    def __init__(self, sinks: tuple[Sink, ...]) -> None:
        super().__init__()
        self._sinks = sinks

    def __missing__(self, kind: type[Event]) -> list[tuple[Sink, Observer]]:
        pairs = [(sink, sink.listener(kind) if isinstance(sink, Selective) else sink) for sink in self._sinks]
        found = self[kind] = [(sink, listen) for sink, listen in pairs if listen is not None]
        return found
