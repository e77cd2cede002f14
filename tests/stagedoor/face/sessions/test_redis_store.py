"""What sessions in Redis do about a server that hangs, refuses or talks nonsense, without any (W12)."""

import asyncio
import logging
from typing import Any

import pytest

from stagedoor import _context as context
from stagedoor._cache.server import StoreDown
from stagedoor._guards.sessions.redis_store import RedisSessions
from stagedoor._guards.sessions.store import StoreAway
from stagedoor.testing import ManualClock


class Line:
    """A connection to a server that says what a test wants: a reply, an error, or nothing at all (...)."""

    def __init__(self, *said: Any) -> None:
        self.said = list(said)
        self.connected = True
        self.asked: list[str] = []
        self.dropped = 0
        self.opened_by: list[str] = []

    async def connect(self) -> None:
        self.asked.append("connect")
        self.opened_by.append(context.current().request_id)
        self.connected = True

    async def command(self, *words: Any) -> Any:
        self.asked.append(str(words[0]))
        found = self.said.pop(0)
        if found is ...:
            await asyncio.Event().wait()
        if isinstance(found, Exception):
            raise found
        return found

    def drop(self) -> None:
        self.dropped += 1
        self.connected = False

    async def aclose(self) -> None:
        self.drop()


def store(line: Line, clock: ManualClock) -> RedisSessions:
    return RedisSessions(line, clock, prefix="p", idle=10, lifetime=100)  # type: ignore[arg-type]


async def test_a_server_that_hangs_is_given_half_a_second_and_then_left_alone() -> None:
    """K2, W12: whoever comes meanwhile is told at once; the connection is not used again."""
    clock, line = ManualClock(), Line(..., [])
    sessions = store(line, clock)
    hanging = asyncio.create_task(sessions.read(b"m", use=True))
    await clock.advance(0.5)
    with pytest.raises(StoreAway):
        await hanging
    with pytest.raises(StoreAway):
        await sessions.read(b"m", use=True)
    await clock.advance(0.25)
    found = await sessions.read(b"m", use=True)

    assert found is None
    assert line.asked == ["EVALSHA", "connect", "EVALSHA"]
    assert line.dropped == 1


@pytest.mark.parametrize(("patience", "asked"), [(0.18, 1), (0.05, 3)])
async def test_a_request_whose_deadline_is_sooner_speaks_against_a_server_that_hangs(
    patience: float, asked: int
) -> None:
    """K2, D1: else each would wait for its whole deadline; one that gives up at once says nothing of the server."""
    clock, line = ManualClock(), Line(..., ..., ...)
    sessions = store(line, clock)
    for _ in range(3):
        hanging = asyncio.create_task(sessions.read(b"m", use=True))
        await clock.advance(patience if line.connected else 0)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)

    assert line.asked.count("EVALSHA") == asked


async def test_a_connection_holds_nothing_of_the_request_that_opened_it() -> None:
    """X1, T15: it lives for hours; the credentials of one request, and its id in the log, do not."""
    line = Line([])
    line.connected = False
    token = context.enter(context.RequestContext(request_id="first"))
    try:
        await store(line, ManualClock()).read(b"m", use=True)
    finally:
        context.leave(token)

    assert line.asked == ["connect", "EVALSHA"]
    assert line.opened_by == ["-"]


async def test_a_server_that_forgot_our_scripts_is_told_them() -> None:
    """It was restarted: no failure."""
    line = Line(StoreDown("NOSCRIPT"), [b"data", 7, 1])
    found = await store(line, ManualClock()).read(b"m", use=True)

    assert found is not None
    assert (found.data, found.age, line.asked, line.dropped) == (b"data", 0.007, ["EVALSHA", "EVAL"], 0)


async def test_a_server_that_is_full_still_knows_who_is_logged_in(caplog: pytest.LogCaptureFixture) -> None:
    """W12: what cannot be written now is nobody's outage but of who writes, and whoever operates it is told."""
    clock, line = ManualClock(), Line(StoreDown("OOM"), [b"data", 7, 1])
    sessions = store(line, clock)
    with pytest.raises(StoreAway):
        await sessions.create(b"new", b"x")
    found = await sessions.read(b"m", use=True)

    assert found is not None
    assert line.dropped == 0
    assert caplog.messages == ["Redis is full: nobody can log in, and no session is renewed"]


@pytest.mark.parametrize("said", [None, b"x", [1], [b"x", b"y", b"z"], [b"x", 1], 7])
async def test_nonsense_is_no_session_and_no_missing_one(said: object) -> None:
    """W12: nobody is logged out for it."""
    with pytest.raises(StoreAway):
        await store(Line(said), ManualClock()).read(b"m", use=True)


@pytest.mark.parametrize("said", [None, b"x", 3, []])
async def test_nonsense_replaces_nothing(said: Any) -> None:
    """W8, W12: it is tried again, not taken for done."""
    with pytest.raises(StoreAway):
        await store(Line(said), ManualClock()).replace(b"m", b"x", 1)


async def test_an_outage_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    """For who operates it; no address, no key."""
    caplog.set_level(logging.INFO, "stagedoor.guards")
    clock = ManualClock()
    sessions = store(Line(StoreDown("connection lost"), StoreDown("connection lost"), [], []), clock)
    for _ in range(2):
        with pytest.raises(StoreAway):
            await sessions.read(b"m", use=True)
        await clock.advance(0.25)
    for _ in range(2):
        await sessions.read(b"m", use=True)

    assert caplog.messages == [
        "sessions cannot be looked up (connection lost): their routes answer 503",
        "sessions can be looked up again",
    ]
