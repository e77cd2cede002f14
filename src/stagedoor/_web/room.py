"""Tables of bounded size that a flood cannot empty: nothing in use ever makes room for what is new."""

from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

__all__ = ["Room", "Table", "Used"]

_SLOTS: Final = 8_192  # of what was seen once: a collision costs one more appearance
_IDLE: Final = 10.0  # seconds after which something is in use no more
_PAUSE: Final = 1.0  # seconds between two searches for such
_PER_SLOT: Final = 40  # octets: a number in a list


class Used(Protocol):
    """What is held: when it was last of use, in seconds."""

    used: float


T = TypeVar("T", bound=Used)


class Room:
    """How many octets some tables may take together; `claim` is told of each change."""

    def __init__(self, most: int, claim: Callable[[int], None]) -> None:
        self.taken = 0
        self._most = most
        self._claim = claim
        self._tables: list[Table[Any]] = []
        self._next = float("-inf")
        self._seen = [0] * _SLOTS
        self._change(_SLOTS * _PER_SLOT)

    def has_seen(self, key: bytes) -> bool:
        """Tell whether a key of any table has come before, as far as that is remembered; it has now."""
        place = hash(key)  # of bytes, it is another one in each process
        seen = self._seen[place % _SLOTS] == place
        self._seen[place % _SLOTS] = place
        return seen

    def add(self, table: "Table[Any]") -> None:
        """Count one more table, and let go of what nobody uses in it."""
        self._tables.append(table)

    def take(self, size: int, now: float) -> bool:
        """Take room, after what nobody uses has been let go of if need be; False if there is none."""
        if self.taken + size > self._most:
            self._sweep(now)
        if self.taken + size > self._most:
            return False
        self._change(size)
        return True

    def give(self, size: int) -> None:
        """Give room back."""
        self._change(-size)

    def _change(self, size: int) -> None:
        self.taken += size
        self._claim(size)

    def _sweep(self, now: float) -> None:
        """Look at most once a second: a flood must not make us look at everything for each of its requests."""
        if now < self._next:
            return
        self._next = now + _PAUSE
        for table in self._tables:
            table.sweep(now - _IDLE)


class Table(Generic[T]):
    """Things by octets, for those who hold what comes the second time (`Room.has_seen`)."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._held: dict[bytes, T] = {}
        self._sizes: dict[bytes, int] = {}
        self.get = self._held.get
        room.add(self)

    def add(self, key: bytes, value: T, size: int, now: float) -> bool:
        """Hold something if there is room, in place of what has its key; `size` is what it takes, its key included."""
        if key in self._held:
            self._drop(key)
        if not self._room.take(size, now):
            return False
        self._held[key] = value
        self._sizes[key] = size
        return True

    def sweep(self, before: float) -> None:
        """Let go of what was last of use before a moment."""
        for key in [key for key, value in self._held.items() if value.used < before]:
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        del self._held[key]
        self._room.give(self._sizes.pop(key))

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<Table {len(self._held)} held>"
