"""Keys that somebody publishes (RFC 7517 5), fetched once for everybody and kept through outages.

Three rules say when to fetch (`due`): nothing is there yet; a token names an id that is not there; what is there is
old. The first waits a second after a failure. The second is what anybody can cause with a made-up id, so it happens
once a cooldown, however many ask; fetches for other reasons do not use the cooldown up, so that a key which is new
costs no request. The third goes on behind whoever caused it, with the old keys: an outage changes nothing for those.
Where nobody has asked for so long that nobody has tried to fetch them either, it is waited for, half of the time that
is left: else whoever holds a key that was taken back long ago would be believed once more.

A fetch belongs to no request: it has its own time-out, carries no request's id, and goes on if its causer leaves.
"""

import asyncio
import logging
from contextvars import Context
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from jwt import PyJWK

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._guards.denials import Denied
from stagedoor._guards.keys import Keys, keys_of
from stagedoor.errors import StagedoorError

__all__ = ["COOLDOWN", "LIFETIME", "RETRY", "Fetches", "KeyDocument", "PublishedKeys", "due"]

COOLDOWN = 5.0  # seconds between two fetches for the sake of unknown ids
LIFETIME = (
    300.0  # seconds until keys are fetched again, which is how long one that was taken back is believed
)
RETRY = 1.0  # seconds between two fetches where there are no keys at all
_LOGGER = logging.getLogger("stagedoor.guards")
_NEVER = float("-inf")
Due: TypeAlias = Literal["wait", "behind", "no"]


class KeyDocument(Protocol):
    """Where the document of keys is fetched from."""

    async def __call__(self) -> bytes:
        """Return the document; raises `UpstreamError`."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


@dataclass(frozen=True, slots=True)
class Fetches:
    """When keys were asked for at all, for the sake of an unknown id, and had."""

    asked: float = _NEVER
    searched: float = _NEVER
    had: float = _NEVER


def due(past: Fetches, now: float, *, known: bool) -> Due:
    """Decide whether to fetch keys, and whether to wait for them; `known`: those that are there will do."""
    if past.had == _NEVER:
        return "wait" if now >= past.asked + RETRY else "no"
    if not known:
        return "wait" if now >= past.searched + COOLDOWN else "no"
    if now >= max(past.had, past.asked) + LIFETIME + COOLDOWN:
        return "wait"
    return "behind" if now >= past.had + LIFETIME and now >= past.asked + COOLDOWN else "no"


class PublishedKeys:
    """The keys of one address: `fetch` brings the document, `algorithms` are those that anybody may use."""

    def __init__(self, name: str, fetch: KeyDocument, algorithms: frozenset[str], clock: Clock) -> None:
        self._name = name
        self._fetch = fetch
        self._algorithms = algorithms
        self._clock = clock
        self._keys: Keys | None = None
        self._past = Fetches()
        self._flight: asyncio.Task[None] | None = None
        self._awaited = False  # whether the flight is waited for by who brings keys that are here, too

    async def keys(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK]:
        """Return the keys for a token; raises `Denied`."""
        found = self._found(kid, algorithm)
        if found is None:
            found = await self._searched(kid, algorithm, deadline)
        elif not self.used():
            found = await self._renewed(kid, algorithm, deadline)
        if found:
            return found
        if self._keys is None:
            raise Denied("unready", "the keys are not there yet")
        raise Denied("invalid", "the token is signed with an unknown key")

    async def other(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK]:
        """Fetch again, as for an unknown id: a token without one may be of a key that is new."""
        await self._look(deadline)
        return self.held(kid, algorithm)

    def held(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """Return those that are here already."""
        return self._found(kid, algorithm) or []

    def used(self) -> bool:
        """Fetch them again where they are old, behind whoever uses them; False: nobody has for long, so wait for it."""
        wanted = due(self._past, self._clock.now(), known=True)
        if wanted == "behind":
            self._begin(search=False)
        return wanted != "wait" and not self._awaited

    def start(self) -> None:
        """Begin to fetch: who asks first need not wait so long."""
        self._begin(search=False)

    async def aclose(self) -> None:
        """End a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)
        await self._fetch.aclose()

    def _found(self, kid: str | None, algorithm: str) -> list[PyJWK] | None:
        return None if self._keys is None else self._keys.fitting(kid, algorithm)

    async def _searched(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK] | None:
        """Look for what is not there; twice, where the first look joined a fetch that began before."""
        for _ in range(2):
            if not await self._look(deadline):
                break
            found = self._found(kid, algorithm)
            if found is not None:
                return found
        return None

    async def _renewed(self, kid: str | None, algorithm: str, deadline: DueTime) -> list[PyJWK] | None:
        """Fetch them again before they are used, in half of the time that is left; after that they go on."""
        self._awaited = True
        self._begin(search=False)
        now = self._clock.now()
        await self._arrived(DueTime(now + deadline.remaining(now) / 2))
        return self._found(kid, algorithm)

    async def _look(self, deadline: DueTime) -> bool:
        """Join the fetch that is under way, or begin one if it is due; tell whether there was any."""
        if self._flight is None:
            if due(self._past, self._clock.now(), known=False) == "no":
                return False
            self._begin(search=True)
        await self._arrived(deadline)
        return True

    def _begin(self, *, search: bool) -> None:
        if self._flight is not None:
            return
        now = self._clock.now()
        first = self._keys is None  # no unknown id is the reason for this one
        searched = now if search and not first else self._past.searched
        self._past = Fetches(now, searched, self._past.had)
        self._flight = asyncio.create_task(self._renew(), context=Context())
        self._flight.add_done_callback(self._landed)

    def _landed(self, _: "asyncio.Task[None]") -> None:
        self._flight, self._awaited = None, False

    async def _arrived(self, deadline: DueTime) -> None:
        """Wait for the fetch that is under way; a deadline that passes ends the wait and not the fetch."""
        flight = self._flight
        if flight is None:
            return
        try:
            with TimeoutScope(self._clock, deadline):
                await asyncio.shield(flight)
        except TimeoutError:
            return

    async def _renew(self) -> None:
        try:
            self._keys = keys_of(await self._fetch(), self._algorithms)
        except (StagedoorError, ValueError) as error:
            held = "those that are there go on" if self._keys is not None else "there are none"
            _LOGGER.warning("the keys of %s cannot be had (%s): %s", self._name, type(error).__name__, held)
            return
        self._past = Fetches(self._past.asked, self._past.searched, self._clock.now())

    def __repr__(self) -> str:
        return f"<PublishedKeys {self._name} {self._keys!r}>"
