"""Access tokens are renewed once, however many requests of a session need it (RFC 6749 6, RFC 9700 4.14.2).

    request ─▶ fresh enough? ─▶ begin a renewal, or join the one under way ─▶ lock (all processes) ─▶ read again ─▶
        provider ─▶ replaced in the store, if nobody else has ─▶ all that waited go on

A provider gives a new refresh token each time and takes the second use of an old one for theft. So within a process
there is one renewal of a session, and among processes one lock; who gets it reads the session again, which may have
been renewed meanwhile. If the tokens were replaced by somebody else in spite of the lock (a process that slept through
its end), the refresh token was used twice: the session ends. So it does when the provider refuses the token.

A renewal belongs to no request: it goes on when its causer leaves, and what it got is written as soon as the store
takes it. A provider that does not answer ends no session; for a moment it is not asked again.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, Literal, TypeAlias

from stagedoor._clock import Clock
from stagedoor._guards.sessions.session import Session
from stagedoor._guards.sessions.store import Replaced, SessionStore, StoreAway, StoredSession
from stagedoor._guards.sessions.tokens import GrantRefused
from stagedoor.errors import StagedoorError

__all__ = ["Due", "OpenedSession", "Renewals", "due"]

Due: TypeAlias = Literal["no", "behind", "wait"]
_EARLY: Final = 60.0  # seconds before its end that a token is renewed behind whoever brings it, at most
_SHARE: Final = 0.2  # of a token's life, at most
_LOCKED: Final = 30.0  # seconds: longer than a renewal takes, its writing included
_LOOKS: Final = 0.05  # seconds between two looks at what another process does
_WRITING: Final = 15.0  # seconds that tokens wait for a store that is away
_PAUSE: Final = 2.0  # seconds that a provider which failed is left in peace, for each session
_MOST: Final = 10_000
_LAST: Final = 2.0  # seconds that renewals have when the gateway closes
_LOGGER = logging.getLogger("stagedoor.guards")


def due(session: Session, age: float) -> Due:
    """Decide whether to renew the access token of a session that was written `age` seconds ago.

    Less than 0 means that the store's clock was set back: nobody knows how old the token is.
    """
    if not session.refresh or not session.expires_in:
        return "no"
    left = session.expires_in - age
    if left <= 0 or age < 0:
        return "wait"
    return "behind" if left <= min(_EARLY, _SHARE * session.expires_in) else "no"


class OpenedSession:
    """A session, opened: `id` is its browser's, `mark` what the store knows it by."""

    __slots__ = ("held", "id", "mark", "session")

    def __init__(self, id_: bytes, mark: bytes, held: StoredSession, session: Session) -> None:
        self.id = id_
        self.mark = mark
        self.held = held
        self.session = session


Look: TypeAlias = Callable[[bytes], Awaitable[OpenedSession | None]]
Ask: TypeAlias = Callable[[Session], Awaitable[Session]]
Forget: TypeAlias = Callable[[Session], Awaitable[None]]
Close: TypeAlias = Callable[[bytes, Session], bytes]


class Renewals:
    """The renewals under way in this process.

    `look` reads a session by its id, `ask` gets its next tokens, `close` seals it, `forget` lets the provider forget
    tokens that nobody will use.
    """

    def __init__(
        self, store: SessionStore, clock: Clock, *, look: Look, ask: Ask, close: Close, forget: Forget
    ) -> None:
        self._store = store
        self._clock = clock
        self._look = look
        self._ask = ask
        self._close = close
        self._forget = forget
        # One for all renewals of this process, each of whose sessions has one at most: so it is given a lock again that
        # the store took and could not say so of. Made by the first: a process may be forked before that.
        self._owner = b""
        self._flights: dict[bytes, asyncio.Task[OpenedSession | None]] = {}
        self._failed: dict[bytes, float] = {}  # by mark, when the provider may be asked again

    def begin(self, opened: OpenedSession) -> "asyncio.Task[OpenedSession | None] | None":
        """Return the renewal of a session: None of those is asked for where one failed a moment ago.

        Its result is the session as it is then, which may be as it was; None if it has ended.
        """
        flight = self._flights.get(opened.mark)
        if flight is not None:
            return flight
        if self._clock.now() < self._failed.get(opened.mark, float("-inf")):
            return None
        flight = asyncio.create_task(self._renewed(opened), context=Context())
        self._flights[opened.mark] = flight
        flight.add_done_callback(lambda done: self._landed(opened.mark, done))
        return flight

    def _landed(self, mark: bytes, flight: "asyncio.Task[OpenedSession | None]") -> None:
        self._flights.pop(mark, None)
        if not flight.cancelled() and flight.exception() is not None:
            self._pause(mark)

    def _pause(self, mark: bytes) -> None:
        now = self._clock.now()
        if len(self._failed) >= _MOST:
            self._failed = {one: until for one, until in self._failed.items() if until > now}
        self._failed[mark] = now + _PAUSE

    async def _renewed(self, opened: OpenedSession) -> OpenedSession | None:
        self._owner = self._owner or secrets.token_bytes(16)
        while not await self._store.lock(opened.mark, self._owner, _LOCKED):
            await self._clock.sleep(_LOOKS)
            seen = await self._look(opened.id)
            if seen is None or seen.held.version != opened.held.version:
                return seen
        try:
            seen = await self._look(opened.id)
            if seen is None or seen.held.version != opened.held.version:
                return seen
            return await self._asked(seen)
        finally:
            await self._unlocked(opened.mark)

    async def _asked(self, opened: OpenedSession) -> OpenedSession | None:
        try:
            session = await self._ask(opened.session)
        except GrantRefused:
            _LOGGER.info("a session ended: its refresh token is not accepted any more")
            await self._until_there(lambda: self._store.delete(opened.mark))
            return None
        except StagedoorError as error:
            _LOGGER.warning("a session was not renewed (%s): it goes on", type(error).__name__)
            self._pause(opened.mark)
            return opened
        return await self._written(opened, session)

    async def _written(self, opened: OpenedSession, session: Session) -> OpenedSession | None:
        data, version = self._close(opened.id, session), opened.held.version

        async def write() -> Replaced:
            return await self._store.replace(opened.mark, data, version)

        done = await self._until_there(write)
        if done == "done":
            return OpenedSession(opened.id, opened.mark, StoredSession(data, 0.0, version + 1), session)
        if done == "changed":
            seen = await self._look(opened.id)
            if seen is not None and seen.session == session:  # written, though nobody said so
                return seen
            _LOGGER.warning("a session ended: its refresh token was used twice")
            await self._until_there(lambda: self._store.delete(opened.mark))
        await self._forget(session)
        return None

    async def _until_there(self, write: Callable[[], Awaitable[Replaced | None]]) -> Replaced | None:
        """Write what must not get lost, also where the store is away for a while; raises `StoreAway` after that."""
        until = self._clock.now() + _WRITING
        while True:
            try:
                return await write()
            except StoreAway:
                if self._clock.now() >= until:
                    raise
            await self._clock.sleep(_LOOKS)

    async def _unlocked(self, mark: bytes) -> None:
        try:
            await self._store.unlock(mark, self._owner)
        except StoreAway:
            return  # it ends by itself

    async def aclose(self) -> None:
        """Let what is under way come to its end, since tokens that nobody keeps are lost; a moment, and no longer."""
        flights = list(self._flights.values())
        if flights:
            await asyncio.wait(flights, timeout=_LAST)
        for one in flights:
            one.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._flights)
