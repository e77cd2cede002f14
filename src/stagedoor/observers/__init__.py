"""Sinks of events, one a file. Import the file you need: each brings its own library along."""

import logging

from stagedoor.events import Event, Observer

__all__ = ["fan_out"]

_LOGGER = logging.getLogger("stagedoor.observers")


def fan_out(*observers: Observer) -> Observer:
    """Return one observer that tells all of them, in order, and never lets a sink's failure reach a request.

    A sink that fails is reported to the standard logger "stagedoor.observers" the first time; the others still
    hear every event.
    """
    reported: set[Observer] = set()

    def observe(event: Event) -> None:
        for observer in observers:
            try:
                observer(event)
            except Exception:
                if observer not in reported:
                    reported.add(observer)
                    _LOGGER.warning("observer %r failed; reported once", observer, exc_info=True)

    return observe
