"""A bounded pool of connections to one origin.

Newest first: the connection used last is the least likely to have been closed by the other side, and the oldest ones
can age out. `_places` counts connections that are open or being opened; `size` bounds it. Who finds neither an idle
connection nor a place waits in line: first come, first served, until the deadline. A place that comes free is handed
to the first in line directly, so that nobody can overtake.

Invariant: nobody waits while a connection is idle or a place is free.
"""

import asyncio
import ssl
from collections import OrderedDict
from dataclasses import dataclass

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._reaching import name_for_tls
from stagedoor._transports.connection import Connection
from stagedoor._transports.failures import ConnectTimeout, PoolTimeout
from stagedoor._transports.limits import Limits
from stagedoor._transports.names import Names

__all__ = ["Origin", "Pool", "PoolOptions", "PoolStatistics"]

_TURNS = 16  # of the loop, in which a new connection falls silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where connections go: a Unix socket if `path` is set, else a host and a port; TLS with a context."""

    host: str = ""
    port: int = 80
    path: str = ""
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """Bounds of a pool; times are seconds.

    `idle` should be shorter than the upstream keeps its side open (5 s is a common default there). `lookup` is how
    long the addresses of a name are believed; then the resolver is asked again, and they are used while it is slow or
    down, `lookup_kept` at most. `rest` is how long a streamed body may go without moving.
    """

    size: int = 100
    connect: float = 0.05
    idle: float = 4.0
    age: float = 300.0
    lookup: float = 1.0
    lookup_kept: float = 300.0
    rest: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """A pool at one moment; `opened` counts connections since the start."""

    size: int
    in_use: int
    idle: int
    waiting: int
    opened: int


class Pool:
    """Connections to one origin: `take` or `acquire` one; it comes back by itself when its answer is complete."""

    __slots__ = (
        "_clock", "_closed", "_connections", "_idle", "_limits", "_names", "_opened", "_options", "_origin", "_places",
        "_waiting",
    )  # fmt: skip

    def __init__(self, origin: Origin, options: PoolOptions, limits: Limits, clock: Clock) -> None:
        self._origin = origin
        self._options = options
        self._limits = limits
        self._clock = clock
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._waiting: OrderedDict[asyncio.Future[Connection | None], None] = OrderedDict()
        self._places = 0
        self._opened = 0
        self._closed = False
        self._names = Names(
            origin.host, origin.port, believed=options.lookup, kept=options.lookup_kept, clock=clock
        )

    def statistics(self) -> PoolStatistics:
        """Return what the pool holds now; connections being opened count as in use."""
        idle = len(self._idle)
        return PoolStatistics(
            size=self._options.size,
            in_use=self._places - idle,
            idle=idle,
            waiting=len(self._waiting),
            opened=self._opened,
        )

    def in_use(self) -> int:
        """Return how many connections serve a call, or are being opened for one."""
        return self._places - len(self._idle)

    def __repr__(self) -> str:
        now = self.statistics()
        return f"<Pool {now.in_use} in use, {now.idle} idle of {now.size}, {now.waiting} waiting>"

    # -- giving out

    def take(self) -> Connection | None:
        """Return the newest idle connection that has nothing to say, None if there is none.

        One system call asks the kernel: what is there before the request goes out can never answer it (T7), and a
        close that the loop has not seen yet costs no second try (R1).
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.poll(0):
                return connection
            connection.close()
        return None

    async def acquire(self, until: float, *, fresh: bool = False) -> Connection:
        """Return a connection: an idle one unless it shall be fresh, else a new one, else what comes free first.

        Raises `PoolTimeout` when the wait ends, `ConnectTimeout` when connecting takes too long, else OSError.
        """
        connection = None if fresh else self.take()
        if connection is not None:
            return connection
        if fresh and self._idle and self._places >= self._options.size:
            self._idle[0].close()
        while self._places >= self._options.size:
            connection = await self._wait(until)
            if connection is None:
                break
            if not (connection.closed or connection.poll(0)):
                return connection
            connection.close()  # what came with the answer, or behind it, came before this request
        else:
            self._places += 1
        return await self._open(until)

    async def _wait(self, until: float) -> Connection | None:
        """Stand in line for a connection, or for a place (None)."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = None
        try:
            with TimeoutScope(self._clock, DueTime(until)):
                return await waiter
        except BaseException as error:
            self._waiting.pop(waiter, None)
            if waiter.done() and not waiter.cancelled():
                given = waiter.result()
                # One that has closed meanwhile gave its place back itself.
                if given is None or not given.closed:
                    self._pass_on(given)
            if isinstance(error, TimeoutError):
                raise PoolTimeout from error
            raise

    async def _open(self, until: float) -> Connection:
        """Connect at a place that is already counted; gives the place up on failure."""
        try:
            connection = await self._connect(min(until, self._clock.now() + self._options.connect))
        except BaseException:
            self._pass_on(None)
            raise
        if self._closed:  # while it was being opened
            connection.close()
            self._pass_on(None)
            raise ConnectionAbortedError("the pool is closed")
        self._connections.add(connection)
        self._opened += 1
        return connection

    # -- taking back

    def give_back(self, connection: Connection) -> None:
        """Hand an idle connection to the first in line, or keep it for its idle time and age."""
        now, options = self._clock.now(), self._options
        end = connection.born + options.age
        if now >= end or self._closed:
            connection.close()
            return
        rest = now + options.idle
        connection.keep_until(min(rest, end))
        if self._waiting:
            self._pass_on(connection)
        else:
            self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Free the place of a connection that has closed."""
        if connection in self._connections:
            self._connections.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._pass_on(None)

    def _pass_on(self, connection: Connection | None) -> None:
        """Give a connection, or a place (None), to the first in line."""
        while self._waiting:
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self._places -= 1
        else:
            self._idle.append(connection)

    async def aclose(self) -> None:
        """Close every connection and the look-up under way."""
        self._closed = True
        for connection in tuple(self._connections):
            connection.close()
        await self._names.aclose()

    # -- connecting

    async def _connect(self, until: float) -> Connection:
        """Try the known addresses; where nobody answers and others are found meanwhile, those."""
        if self._origin.path:
            return await self._dial(until, None)
        addresses = await self._names.addresses(until)
        asking = self._names.asking()
        try:
            return await self._try(until, addresses)
        except (OSError, ConnectTimeout):
            self._names.doubt()
            if not asking:
                raise
            others = [address for address in await self._names.addresses(until) if address not in addresses]
            if not others:
                raise
        return await self._try(until, others)

    async def _try(self, until: float, addresses: list[str]) -> Connection:
        """Try each address in turn, each with an even share of the time that is left."""
        problem: Exception = OSError("the name has no address")
        for index, address in enumerate(addresses):
            now = self._clock.now()
            try:
                return await self._dial(now + (until - now) / (len(addresses) - index), address)
            except (OSError, ConnectTimeout) as error:
                # Who spoke, and was refused by us, tells more than an address where nobody is.
                problem = problem if isinstance(problem, ssl.SSLError) else error
        raise problem

    async def _dial(self, until: float, address: str | None) -> Connection:
        """Connect to one address, or to the Unix socket."""
        loop = asyncio.get_running_loop()
        origin = self._origin
        made = Connection(self, self._limits, self._clock, self._options.rest)
        name = name_for_tls(origin.host) if origin.tls else None
        try:
            with TimeoutScope(self._clock, DueTime(until)):
                if address is None:
                    await loop.create_unix_connection(
                        lambda: made, origin.path, ssl=origin.tls, server_hostname=name
                    )
                else:
                    await loop.create_connection(
                        lambda: made, address, origin.port, ssl=origin.tls, server_hostname=name
                    )
                await _hear_out(made)
        except BaseException as error:
            made.close()
            if isinstance(error, TimeoutError):
                raise ConnectTimeout from error
            raise
        if made.closed:
            raise ConnectionResetError("closed at once, or spoken first")
        return made


async def _hear_out(connection: Connection) -> None:
    """Let the loop read what a new connection says: TLS has tickets to hand over, all else closes it (T7)."""
    for _ in range(_TURNS):
        if connection.closed or not connection.poll(0):
            return
        await asyncio.sleep(0)
    connection.close()
