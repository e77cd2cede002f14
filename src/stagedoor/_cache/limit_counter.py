"""What a throttle of several processes asks of the server they share: one question."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

__all__ = ["BUCKETS", "TICK", "ClientCount", "LimitCounter", "SharedLimit"]

BUCKETS: Final = 60  # pieces that a window is counted in
# Seconds by which a bucket begins early: sums of fractions miss its true beginning by less, and who waits until then is
# in.
TICK: Final = 1e-6
_RESERVE: Final = 20


class SharedLimit(NamedTuple):
    """What a limit means where several processes count: `requests` in any `seconds`, for all of them together.

    One part in twenty is kept in reserve and divided among the processes. So many requests a process lets pass before
    it has told of them; what it asks for beyond must leave the shares of the others alone.
    """

    requests: int
    seconds: int

    @property
    def reserve(self) -> int:
        """Return what is divided."""
        return self.requests // _RESERVE

    def share(self, processes: int) -> int:
        """Return what one of so many processes may have let pass without having told."""
        return self.reserve // processes

    def most(self, processes: int) -> int:
        """Return the count up to which one of so many processes is granted more."""
        return self.requests - (processes - 1) * self.share(processes)


class ClientCount(NamedTuple):
    """What the server has counted of one client: `reset` is the seconds until there is room for one more.

    Where there is room already, until its oldest requests count no more.
    """

    granted: bool
    total: int
    reset: float


class LimitCounter(Protocol):
    """Counts what processes tell of clients, and how many processes there are."""

    async def sync(
        self, spent: Mapping[str, int], terms: SharedLimit, /, *, want: bool = False
    ) -> tuple[int, list[ClientCount]]:
        """Add what clients have spent, atomically; with `want`, grant each one request more if there is room.

        Returns the number of processes that have asked in the last ten seconds, this one included, and the count of
        each client in the order given. Raises `StoreDown`.
        """
        ...
