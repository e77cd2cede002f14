"""Telling what broken files do to a reader: gone, torn, or not an index's."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Unreadable", "readable"]


class Unreadable(Exception):
    """The files of an index cannot be read; the cause says more."""


@contextmanager
def readable() -> Iterator[None]:
    """Raise `Unreadable` for whatever the files make the library raise."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise Unreadable from error
    except BaseException as error:
        if isinstance(error, Exception):
            raise
        raise Unreadable from error  # what Rust panics with is no `Exception`, and would end the caller's task
