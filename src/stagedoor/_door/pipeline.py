"""Requests of one connection that wait behind the one that is answered (RFC 9112 9.3.2)."""

from collections import deque

from stagedoor._door.exchange import Exchange

__all__ = ["Pipeline"]


class Pipeline:
    """First come, first answered. Nearly always empty, so that it takes no room before it is needed."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Exchange] | None = None

    def __len__(self) -> int:
        return len(self._waiting or ())

    def __repr__(self) -> str:
        return f"<Pipeline {len(self)} requests of {self.octets()} octets>"

    def octets(self) -> int:
        """Return the size of all that wait, heads and bodies."""
        return sum([each.head.size + len(each.body) for each in self._waiting or ()])

    def add(self, exchange: Exchange) -> None:
        """Let a request wait behind the others."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(exchange)

    def following(self) -> Exchange | None:
        """Return the request that is due, which waits no longer."""
        return self._waiting.popleft() if self._waiting else None

    def drop_newest(self) -> None:
        """Forget the request that came last: it is refused."""
        if self._waiting:
            self._waiting.pop()

    def end(self) -> None:
        """Tell all that wait that nobody waits for them."""
        for each in self._waiting or ():
            each.disconnect()
        self._waiting = None
