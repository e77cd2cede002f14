"""Lines to a stream that others write to as well, or that refuses some: each whole, or not at all.

Workers share one standard output. What a process writes to a pipe at once stays together up to 4,096 octets (PIPE_BUF,
pipe(7)); of more, a pipe that is full takes a part, and lets another process in before the rest. A disk that becomes
full takes a part as well. So lines go out in groups that stay together, and a line that has begun is ended before the
next one.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

__all__ = ["LogStream", "WholeLines", "grouped"]

# Octets: less than PIPE_BUF, and than what a buffer of the standard library has room for.
_TOGETHER: Final = 4_095


class LogStream(Protocol):
    """Where lines go: `sys.stdout.buffer`, a file, a socket's file."""

    def write(self, data: bytes, /) -> object:
        """Take the bytes; may block. What returns a number has taken as many, as a raw stream does."""

    def flush(self) -> object:
        """Hand them on."""


def grouped(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in groups of up to 4,095 octets; a line that is longer goes alone."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and size + len(line) > _TOGETHER:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group


class WholeLines:
    """A stream in which no line ends in the middle, but for the last one of all."""

    __slots__ = ("_begun", "_stream")

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream
        self._begun = b""  # what is left of lines of which the stream took a part

    def write(self, lines: bytes) -> None:
        """Write them whole; raise if the stream takes nothing of them. What it takes a part of is ended next time."""
        left = self._begun + lines
        whole = len(left)
        try:
            while left:
                left = left[self._taken(left) :]
            self._stream.flush()
        except Exception:
            begun = len(left) - len(lines)
            if whole == len(left) or begun > 0:  # not one octet of these
                self._begun = left[: max(begun, 0)]
                raise
            self._begun = left
            if not left:  # a buffer has them, and could not hand them on
                raise
            return
        self._begun = b""

    def _taken(self, octets: bytes) -> int:
        """Hand octets to the stream; return how many it took: all, if it does not say."""
        taken = self._stream.write(octets)
        if taken == 0:
            raise BlockingIOError("the stream takes nothing")
        return taken if isinstance(taken, int) else len(octets)
