"""The addresses of one name, as the system's resolver tells them.

What was right a moment ago mostly still is. So an answer is believed for a while; after that the resolver is asked
again while the addresses it gave last are still used (RFC 8767), and a resolver that is slow or down stops nobody.
That ends after a bound, at once where the resolver says that there is no such name, and gives way where nobody
answered at these addresses: then its answer is waited for, half of the time that is left.

One look-up serves all who wait, and outlives any of them.
"""

import asyncio
import ipaddress
import math
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._supervision import is_stray
from stagedoor._transports.failures import ConnectTimeout

__all__ = ["Names", "ask_system"]

Ask: TypeAlias = Callable[[str, int], Awaitable[list[Any]]]  # rows of getaddrinfo

_LONGEST = 30.0  # seconds of one look-up; resolvers give up before that
# "There is none" is an answer, not an outage (RFC 8767 4).
_NONE = frozenset((socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)))


async def ask_system(host: str, port: int) -> list[Any]:
    """Ask the system for the addresses of a name."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Names:
    """What `host` stands for. Times are seconds: an answer is `believed` so long, and used if need be while `kept`."""

    __slots__ = (
        "_ask", "_believed", "_clock", "_doubted", "_found", "_found_at", "_host", "_kept", "_literal", "_lookup",
        "_port", "_rest_until",
    )  # fmt: skip

    def __init__(
        self, host: str, port: int, *, believed: float, kept: float, clock: Clock, ask: Ask = ask_system
    ) -> None:
        self._host = host
        self._port = port
        self._believed = believed
        self._kept = kept
        self._clock = clock
        self._ask = ask
        self._literal = _is_address(host)
        self._found: list[str] = []
        self._found_at = self._rest_until = -math.inf
        self._doubted = False
        self._lookup: asyncio.Task[list[str] | OSError] | None = None

    async def addresses(self, until: float) -> list[str]:
        """Return the addresses to try; raises `ConnectTimeout` when the first answer takes too long, else OSError."""
        if self._literal:
            return [self._host]
        now = self._clock.now()
        known = self._found if now < self._found_at + self._kept else []
        if known and now < self._rest_until:
            return known
        if self._lookup is None:
            self._lookup = asyncio.get_running_loop().create_task(self._look_up())
        if known and not self._doubted:
            return known
        return await self._wait(self._lookup, now + (until - now) / 2 if known else until, known)

    def asking(self) -> bool:
        """Tell whether the addresses may change in a moment."""
        return not self._literal and self._clock.now() >= self._rest_until

    def doubt(self) -> None:
        """Take note that nobody answered at any of the addresses."""
        self._doubted = True
        self._rest_until = -math.inf

    async def aclose(self) -> None:
        """End the look-up under way."""
        lookup = self._lookup
        if lookup is not None:
            lookup.cancel()
            await asyncio.gather(lookup, return_exceptions=True)

    async def _wait(
        self, lookup: "asyncio.Task[list[str] | OSError]", until: float, known: list[str]
    ) -> list[str]:
        try:
            with TimeoutScope(self._clock, DueTime(until)):
                found = await asyncio.shield(lookup)
        except TimeoutError as error:
            if known:
                return known
            raise ConnectTimeout from error
        except asyncio.CancelledError as error:
            if is_stray(error):  # the look-up was ended, and not whoever waits for it (X2)
                raise ConnectionAbortedError("the pool is closed") from error
            raise
        if not isinstance(found, OSError):
            return found
        if known and self._found:
            return known
        raise found

    async def _look_up(self) -> list[str] | OSError:
        now = self._clock.now()
        try:
            with TimeoutScope(self._clock, DueTime(now + _LONGEST)):
                rows = await self._ask(self._host, self._port)
            found = list(dict.fromkeys(_address_of(row[4]) for row in rows))
        except Exception as error:  # noqa: BLE001 - no thread left, rows that are none: whatever it is, it is an outage
            self._rest_until = self._clock.now() + self._believed
            if isinstance(error, socket.gaierror) and error.errno in _NONE:
                self._found = []
            return error if isinstance(error, OSError) else _failed(error)
        finally:
            self._lookup = None
        self._found = found
        self._found_at = self._clock.now()
        self._rest_until = self._found_at + self._believed
        self._doubted = False
        return self._found


def _failed(error: Exception) -> OSError:
    """Return what is no error of a resolver as one, with its cause."""
    failed = socket.gaierror(socket.EAI_FAIL, "the name cannot be asked for")
    failed.__cause__ = error
    return failed


def _address_of(there: tuple[Any, ...]) -> str:
    """Return an address as text, with its zone: one of a single link means nothing without it (RFC 4007 6)."""
    host, *rest = there
    zone = rest[2] if len(rest) > 2 else 0  # after the port and the flow
    return f"{host}%{zone}" if zone else str(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
