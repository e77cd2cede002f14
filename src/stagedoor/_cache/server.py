"""What a shared store asks of the server behind it: five questions."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple, Protocol

from stagedoor.errors import Reason

__all__ = ["Invalidations", "Server", "StoreDown", "StoreGarbled"]


class StoreDown(Exception):
    """Tell why a server did not do what it was asked, in words or by the server's own code; carries no address.

    `told` is the same for people.
    """

    reason: ClassVar[Reason] = "unavailable"

    def __init__(self, code: str, told: str = "") -> None:
        super().__init__(code)
        self.told = told or code


class StoreGarbled(StoreDown):
    """Tell that what a server said cannot be understood."""

    reason: ClassVar[Reason] = "garbled"


class Invalidations(NamedTuple):
    """What every answer of a server brings.

    `number` is that of its newest purge, `purges` are the names called out since the number it was asked with, each
    with its own, `clock` is the server's in microseconds.
    """

    number: int
    clock: int
    purges: list[tuple[bytes, int]]


class Server(Protocol):
    """The five questions a shared store understands; `heard` is the newest purge the asker knows.

    Each is atomic. They raise `StoreDown` and nothing else, and a cancelled one harms no other.
    """

    name: str

    async def read(self, key: bytes, heard: int, /) -> tuple[Invalidations, bytes | None, float]:
        """Return the bytes of a key and the seconds the server will still keep them."""
        ...

    async def write(self, key: bytes, data: bytes, until: int, heard: int, /) -> tuple[Invalidations, bool]:
        """Keep bytes until a moment of the server's clock (milliseconds), if no purge came after `heard`.

        An entry that was born later stays.
        """
        ...

    async def settle(
        self, key: bytes, data: bytes, until: int, heard: int, young: int, /
    ) -> tuple[Invalidations, bool, bytes | None, float]:
        """Do the same, but leave an entry that is younger than `young` milliseconds.

        Return also its bytes and the seconds it will still be kept; no bytes if there was none.
        """
        ...

    async def purge(self, names: Iterable[bytes], heard: int, /) -> Invalidations:
        """Write the names down under a new number, larger than `heard` and than any before.

        A server that has lost some purges ALL first, as in `invalidations`.
        """
        ...

    async def invalidations(self, heard: int, /) -> Invalidations:
        """Return what is new, having made sure that the server can be written.

        A server that knows no purge, or less than `heard`, has lost some: it purges ALL first. So does one that may
        have, since the log was begun by another.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
