"""One connection to Redis: commands go out as they come, and are answered in that order.

A caller that gives up leaves nothing behind: its reply is read and dropped, never handed to somebody else (K6).
"""

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, cast

import hiredis

from stagedoor._cache.server import StoreDown, StoreGarbled

__all__ = ["Argument", "RedisConnection"]

_MOST_HELD: Final = 2**26
# Its parser makes room for as many elements as are announced, and takes seconds to give that back. Only the beginning
# of a reply is looked at, which none but the server writes: further on may stand whatever somebody has had kept.
_HUGE: Final = re.compile(rb"(?:\A|\r\n)[*%~>|][0-9]{7,}")
_BEGINNING: Final = 48
Argument: TypeAlias = bytes | str | int
# What its refusals mean, by their first word; the rest may name hosts.
_REFUSALS: Final[Mapping[str, str]] = {
    "OOM": "is out of memory, and may drop nothing",
    "READONLY": "can only be read: it is a replica",
    "MASTERDOWN": "is a replica without its server",
    "NOREPLICAS": "has too few replicas to be written",
    "LOADING": "is loading its data",
    "MISCONF": "cannot save its data, and takes no more",
    "NOAUTH": "wants a password",
    "WRONGPASS": "refuses this user or password",
    "NOPERM": "does not let this user do that",
    "ERR": "does not take a command of ours",
    "MOVED": "says that another node of its cluster has our keys",
    "ASK": "is moving our keys to another node of its cluster",
    "TRYAGAIN": "is moving our keys to another node of its cluster",
    "CLUSTERDOWN": "is of a cluster that is not whole",
    "BUSY": "is busy with a script",
    "DENIED": "takes no clients from elsewhere without a password",
}
_CROWDED: Final = "max number of clients"
_OF_SCRIPT: Final = "ACL failure in script"
_COMMAND: Final = re.compile(r"permissions to run the '([a-z|]{1,32})' command")


class RedisConnection(asyncio.Protocol):
    """One connection: commands go out as they come, replies come back in the same order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._held = 0  # bytes of a reply that is not whole yet, at least
        self._beginning = b""  # of that reply
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._why: StoreDown | None = None  # it is of no more use, if there is more to say than that
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def closed(self) -> bool:
        """Tell whether it is of no more use."""
        return self._transport is None

    async def send(self, words: tuple[Argument, ...]) -> Any:  # noqa: ANN401 - depends on the command
        """Send a command and return its reply. Giving up is safe: the reply is dropped when it comes."""
        if self._transport is None:
            raise self._lost()
        packed = hiredis.pack_command(words)  # type: ignore[arg-type] # its stub means any tuple
        future = self._loop.create_future()
        self._waiting.append(future)  # after all that can fail: replies are told apart by their order alone
        self._transport.write(packed)
        reply = await future
        if isinstance(reply, hiredis.ReplyError):
            raise _refusal(reply) from reply
        return reply

    def close(self, why: StoreDown | None = None) -> None:
        """Close at once; whoever waits is told why."""
        self._why = self._why or why
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        try:
            self._take(data)
        except Exception:  # noqa: BLE001 - octets from outside can break a parser in any way
            self.close(StoreGarbled("garbled", "its answers cannot be understood"))

    def _take(self, data: bytes) -> None:
        if self._held < _BEGINNING:
            self._beginning = (self._beginning[: self._held] + data)[:_BEGINNING]
        self._held += len(data)
        if self._held > _MOST_HELD or _HUGE.search(self._beginning):
            raise ValueError("more than any reply to us can be")
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._held = 0
            if isinstance(reply, hiredis.PushNotification):  # no reply, whatever it tells
                continue
            # Who is not let in is told so unasked.
            if not self._waiting and isinstance(reply, hiredis.ReplyError):
                self._why = _refusal(reply)
            future = self._waiting.popleft()  # raises IndexError on a reply that nobody asked for
            if not future.done():
                future.set_result(reply)
        if not self._held and self._reader.has_data():
            self._held = _BEGINNING  # of a reply whose beginning came behind another one

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for future in self._waiting:
            if not future.done():
                future.set_exception(self._lost())
        self._waiting.clear()

    def _lost(self) -> StoreDown:
        why = self._why
        return StoreDown("connection lost") if why is None else type(why)(why.args[0], why.told)


def _refusal(reply: hiredis.ReplyError) -> StoreDown:
    """Return what a reply means that is an error."""
    said = str(reply)
    code = "NOPERM" if _OF_SCRIPT in said else said.partition(" ")[0]
    if _CROWDED in said:
        return StoreDown(code, f"has too many clients ({code})")
    if code == "NOPERM" and (command := _COMMAND.search(said)):
        return StoreDown(code, f"does not let this user run {command[1]} ({code})")
    return StoreDown(code, f"{_REFUSALS[code]} ({code})" if code in _REFUSALS else code)
