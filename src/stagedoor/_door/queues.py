"""A listening socket for each worker, all of one port, so that a connection belongs to a place and not to a process.

Theory. With SO_REUSEPORT the kernel deals connections out by a hash of their addresses: no worker gets more than its
share by being quicker. Who is dealt to a socket waits there whoever holds it. The parent keeps all of them open, and
whoever takes a dead worker's place finds its queue. Until then, and while a worker hangs, its neighbours look into it:
each notes ten times a second, in memory that all of them share, that it looks after its own.

SO_REUSEPORT would let a second gateway of the same user in as well, with a part of the connections. So the port is
claimed first, by a socket that lets nobody else bind it but those who say SO_REUSEPORT, which only the queues do.

Elsewhere than on Linux the option deals nothing out: there the workers share one socket, and its queue.
"""

import errno
import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from ctypes import c_double
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from typing import TYPE_CHECKING, Any, Final

from uvicorn.config import STARTUP_FAILURE

from stagedoor._door.arrivals import stop_arrivals
from stagedoor._door.config import DoorConfig

if TYPE_CHECKING:
    from ctypes import Array

__all__ = ["Queues", "claimed", "forsaken", "open_queues", "waiting_in"]

_LOGGER: Final = logging.getLogger("stagedoor._door")
_FORSAKEN_SECONDS: Final = 0.5
_DEALT: Final = sys.platform.startswith("linux")
_MOST: Final = 256  # taken up from one queue in a look, which blocks the loop


@dataclass(frozen=True, slots=True)
class Queues:
    """The sockets of all places, or one for all, and when somebody last looked after each; travels to workers."""

    sockets: tuple[socket.socket, ...]
    seen: "Array[c_double]"  # by place: seconds of the system's monotonic clock; 0: nobody any more; -1: nobody yet

    def of(self, place: int) -> socket.socket:
        """Return the socket that the worker of a place serves."""
        return self.sockets[place % len(self.sockets)]

    def note(self, place: int, now: float) -> None:
        """Note that somebody looks after the queue of a place; 0.0: nobody does any more."""
        self.seen[place] = now

    def all_begun(self) -> bool:
        """Tell whether somebody has come to each place, or tried to."""
        return all(last >= 0.0 for last in self.seen)

    def forsaken(self, place: int, now: float) -> list[socket.socket]:
        """Return the queues of others that nobody looks after."""
        return [
            self.of(other) for other in forsaken(self.seen[:], now) if self.of(other) is not self.of(place)
        ]

    def close(self) -> None:
        """Let go of all of them; they are there as long as any process holds them."""
        for each in self.sockets:
            each.close()


def forsaken(seen: Sequence[float], now: float) -> list[int]:
    """Return the places that nobody has looked after for half a second."""
    return [place for place, last in enumerate(seen) if now - last > _FORSAKEN_SECONDS]


def waiting_in(queues: Iterable[socket.socket]) -> Iterator[socket.socket]:
    """Take up who waits in these queues, some hundreds of each at most."""
    for queue in queues:
        with suppress(OSError):  # nobody waits, or nobody has listened there yet
            for _ in range(_MOST):
                yield queue.accept()[0]


def open_queues(
    config: DoorConfig, context: SpawnContext, *, dealt: bool = _DEALT
) -> tuple[Queues, socket.socket | None]:
    """Bind what the workers listen on, and return it with what claims the port, for the parent alone.

    Raise `SystemExit`, with 69 if the port is taken.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        first = _bound(family, (config.host, config.port), socket.SO_REUSEADDR)
        claim = claimed(first) if dealt else None
        sockets = [first] if claim is None else _shared(claim, config.workers)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        _LOGGER.error("cannot listen on %s:%s: %s", config.host, config.port, error.strerror or error)  # noqa: TRY400 - no fault of ours
        raise SystemExit(os.EX_UNAVAILABLE if taken else STARTUP_FAILURE) from error
    if claim is not None:
        first.close()
    return Queues(tuple(sockets), context.RawArray(c_double, [-1.0] * config.workers)), claim


def claimed(bound: socket.socket) -> socket.socket | None:
    """Return a socket that claims the port of one that is bound; None if the system cannot share a port.

    It listens for an instant, without SO_REUSEPORT, which only one of all can; nobody can connect meanwhile. Then it
    has neither that state nor SO_REUSEADDR, so that whoever binds conflicts with it but for those with SO_REUSEPORT.
    Raise `OSError` if another was quicker.
    """
    claim = _bound(
        bound.family, bound.getsockname(), socket.SO_REUSEADDR
    )  # by number, or shutdown frees the port
    try:
        stop_arrivals(claim.fileno())
        claim.listen(0)
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        claim.shutdown(socket.SHUT_RD)
    except OSError as error:
        claim.close()
        if error.errno == errno.EADDRINUSE:
            raise
        return None
    return claim


def _shared(claim: socket.socket, count: int) -> list[socket.socket]:
    options = (socket.SO_REUSEADDR, socket.SO_REUSEPORT)
    return [_bound(claim.family, claim.getsockname(), *options) for _ in range(count)]


def _bound(family: socket.AddressFamily | int, address: Any, *options: int) -> socket.socket:  # noqa: ANN401 - of its family
    """Return a socket that is bound and does not block."""
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            one.setsockopt(socket.SOL_SOCKET, option, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    one.setblocking(False)
    return one
