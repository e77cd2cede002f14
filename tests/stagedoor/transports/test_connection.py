"""One connection, and time that a test hands out: what becomes of a call when the loop was held up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from stagedoor._clock import Timer
from stagedoor._transports.connection import Connection
from stagedoor._transports.failures import Late
from stagedoor._transports.limits import Limits

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
UNTIL = 0.08


class Alarm:
    """A timer that rings when the test says so."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self.ring = ring

    def cancel(self) -> None:
        self.ring = int


class HeldClock:
    """A clock whose timers ring without a turn of the loop, as they do after a stall."""

    def __init__(self) -> None:
        self.moment = 0.0
        self.alarms: list[Alarm] = []

    def now(self) -> float:
        return self.moment

    def wall(self) -> float:
        return self.moment

    async def sleep(self, seconds: float, /) -> None:
        raise NotImplementedError

    def call_at(self, moment: float, callback: Callable[[], object]) -> Timer:
        self.alarms.append(Alarm(callback))
        return self.alarms[-1]

    def ring(self, moment: float) -> None:
        """Let the timers ring that are there, at a moment."""
        self.moment = moment
        ringing, self.alarms = self.alarms, []
        for one in ringing:
            one.ring()


class Home:
    """Where a connection goes when its answer is complete."""

    def give_back(self, connection: Connection, /) -> None:
        """Take it."""

    def forget(self, connection: Connection, /) -> None:
        """Let it go."""


class Line:
    """A connection, its clock, and the other end."""

    def __init__(self, connection: Connection, clock: HeldClock, theirs: socket.socket) -> None:
        self.connection = connection
        self.clock = clock
        self.theirs = theirs


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    ours, theirs = socket.socketpair()
    clock = HeldClock()
    connection = Connection(Home(), Limits(), clock, 1.0)
    await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
    with theirs:
        yield Line(connection, clock, theirs)
        connection.close()
        await asyncio.sleep(0)


async def test_a_stall_of_our_own_loses_no_answer_that_is_there(line: Line) -> None:
    """Issue 14, A11: where the processor is short, time-outs of our own making would close healthy upstreams."""
    asking = line.connection.start(b"GET / HTTP/1.1\r\n\r\n", UNTIL)
    line.theirs.send(ANSWER)
    line.clock.ring(UNTIL + 0.04)

    assert not asking.done()
    assert (await asking).body == b"hi"


async def test_what_is_not_there_after_a_stall_is_late(line: Line) -> None:
    """D1: nobody waits for what has not come."""
    asking = line.connection.start(b"GET / HTTP/1.1\r\n\r\n", UNTIL)
    line.clock.ring(UNTIL + 0.04)

    with pytest.raises(Late):
        await asking


async def test_a_part_of_an_answer_buys_one_look_and_no_more(line: Line) -> None:
    """D1: the rest has to be there too."""
    asking = line.connection.start(b"GET / HTTP/1.1\r\n\r\n", UNTIL)
    line.theirs.send(ANSWER[:20])
    line.clock.ring(UNTIL + 0.04)
    assert not asking.done()
    line.clock.ring(UNTIL + 0.045)

    with pytest.raises(Late):
        await asking


async def test_d1_a_timer_in_time_ends_a_call_whatever_lies_there(line: Line) -> None:
    """D1: without a stall the loop has had its look."""
    asking = line.connection.start(b"GET / HTTP/1.1\r\n\r\n", UNTIL)
    line.theirs.send(ANSWER[:20])
    line.clock.ring(UNTIL + 0.001)

    with pytest.raises(Late):
        await asking
