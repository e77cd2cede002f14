"""Which server to speak to: the one that is named, the one that sentinels name, or the node that has our keys.

All our keys lie in one slot of a cluster, so one node has them all, and one connection is enough. Whichever node is
asked for a key it does not have answers who does (`MOVED`). A server that has been set back says so itself (`READONLY`,
`MOVED`), which is an outage; then the way is looked for again.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from stagedoor._cache.redis_address import Credentials, RedisAddress
from stagedoor._cache.redis_connection import RedisConnection
from stagedoor._cache.server import StoreDown
from stagedoor._reaching import kept_by, name_for_tls

__all__ = ["connect"]

_HOPS: Final = 5
_Host = tuple[str, int]


async def connect(address: RedisAddress, turn: int, key: bytes) -> RedisConnection:
    """Open a connection to the server that has a key, which knows who we are; raises `StoreDown`.

    Of several hosts one is asked, another one with each `turn`, since the time for it is short.
    """
    if address.path is not None:
        return await _greeted(address, None)
    host = address.hosts[turn % len(address.hosts)]
    if address.kind == "sentinel":
        return await _greeted(address, await _named(address, host))
    line = await _greeted(address, host)
    return line if address.kind == "single" else await _moved(address, host, line, key)


async def _opened(address: RedisAddress, host: _Host | None) -> RedisConnection:
    loop = asyncio.get_running_loop()
    try:
        if host is None:
            return (await loop.create_unix_connection(RedisConnection, address.path))[1]
        name = name_for_tls(host[0]) if address.tls else None
        opening = loop.create_connection(RedisConnection, *host, ssl=address.tls, server_hostname=name)
        return (await opening)[1]
    except (OSError, UnicodeError) as error:  # the second: a name that no resolver is asked for
        raise StoreDown(type(error).__name__, kept_by(error)) from error


async def _greeted(address: RedisAddress, host: _Host | None) -> RedisConnection:
    line = await _opened(address, host)
    try:
        for words in address.greeting():
            await line.send(words)
    except BaseException:
        line.close()
        raise
    return line


async def _named(address: RedisAddress, sentinel: _Host) -> _Host:
    """Ask a sentinel where the server is now."""
    line = await _opened(address, sentinel)
    try:
        reply = await _asked(
            line, address.us_to_sentinels, ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service)
        )
    finally:
        line.close()
    match reply:
        case [bytes(host), bytes(port)] if port.isdigit():
            return host.decode("ascii", "replace"), int(port)
    raise StoreDown("the sentinel knows no server of this name")


async def _asked(line: RedisConnection, us: Credentials, words: Sequence[str]) -> object:
    for said in us.words():
        await line.send(said)
    return await line.send(tuple(words))


async def _moved(address: RedisAddress, host: _Host, line: RedisConnection, key: bytes) -> RedisConnection:
    """Follow the nodes of a cluster to the one that has a key."""
    for _ in range(_HOPS):
        try:
            await line.send(("EXISTS", key))
        except StoreDown as down:
            line.close()
            if str(down) != "MOVED":
                raise
            host = _next(str(down.__cause__), host)
            line = await _greeted(address, host)
        except BaseException:
            line.close()
            raise
        else:
            return line
    line.close()
    raise StoreDown("MOVED")


def _next(said: str, host: _Host) -> _Host:
    """Return who has the key: `MOVED 3999 10.0.0.7:6381`; without a host it is another port of the same."""
    where, _, port = said.rpartition(" ")[2].rpartition(":")
    if not port.isdigit():
        raise StoreDown("MOVED")
    return (host[0] if where in {"", "?"} else where), int(port)
