"""Sessions at work: who asks by a cookie, and how a session begins, is renewed and ends.

    login ─▶ provider ─▶ callback: state, issuer, code, ID token ─▶ session under a new id ─▶ cookie
    request ─▶ cookie ─▶ store ─▶ opened ─▶ renewed where that is due ─▶ who it is

The tokens never leave the gateway but to the provider, and to a service that declares it (`forward={sessions}`).
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from stagedoor._clock import Clock
from stagedoor._deadline import DueTime, TimeoutScope
from stagedoor._guards.denials import Denied
from stagedoor._guards.jwks import PublishedKeys
from stagedoor._guards.sessions import cookies
from stagedoor._guards.sessions.discovery import Discovery, ProviderMetadata
from stagedoor._guards.sessions.http import ProviderHttp
from stagedoor._guards.sessions.id_token import IdTokens
from stagedoor._guards.sessions.login import Login
from stagedoor._guards.sessions.origins import SAFE, is_our_own
from stagedoor._guards.sessions.refreshing import OpenedSession, Renewals, due
from stagedoor._guards.sessions.sealing import Seal
from stagedoor._guards.sessions.session import Session, read_session
from stagedoor._guards.sessions.settings import SessionSettings
from stagedoor._guards.sessions.store import SessionStore, StoreAway
from stagedoor._guards.sessions.tokens import GrantRefused, TokenEndpoint
from stagedoor._guards.visitors import Known
from stagedoor._requests import Headers
from stagedoor.errors import UpstreamError, UpstreamGarbled

__all__ = ["Browsers", "Provider", "mark_of"]

_BOUND: Final = b"session:"
_REFRESHING: Final = 5.0  # seconds to judge an ID token that came with a renewal
_REMEMBERED: Final = 10_000
_ONCE: Final = 900.0  # seconds that a login is remembered as finished: longer than one lasts
_AWAY: Final = "sessions cannot be looked up just now; nobody was logged out"


@dataclass(frozen=True, slots=True)
class Provider:
    """What there is to ask a provider."""

    discovery: Discovery
    keys: PublishedKeys
    tokens: TokenEndpoint
    id_tokens: IdTokens
    http: ProviderHttp

    async def aclose(self) -> None:
        """Close what is open."""
        await self.keys.aclose()
        await self.discovery.aclose()
        await self.http.aclose()


class Browsers:
    """Tells who asks by a cookie.

    `scopes` are those that a login asks for; `shared` says that other processes have the same sessions.
    """

    def __init__(
        self,
        name: str,
        said: SessionSettings,
        *,
        provider: Provider,
        store: SessionStore,
        seal: Seal,
        clock: Clock,
        scopes: Sequence[str],
        shared: bool,
    ) -> None:
        self.said = said
        self.seal = seal
        self.store = store
        self.provider = provider
        self.scopes = tuple(scopes)
        self.shared = shared
        self.cookie = cookies.cookie_name(name)
        self.login_cookie = cookies.login_cookie(name)
        self.clock = clock
        self._renewals = Renewals(
            store, clock, look=self._looked, ask=self._refreshed, close=self._sealed, forget=self.revoke
        )
        self._subjects: OrderedDict[bytes, str] = OrderedDict()  # of late, for limits

    # --- who asks ------------------------------------------------------------------------------------------

    async def authenticate(self, fields: Headers, deadline: DueTime) -> Known:
        opened = await self._in_time(self._read(self.id_of(fields), use=True), deadline)
        if opened is None:
            raise Denied("invalid", "the session has ended: log in again")
        usable = True
        wanted = due(opened.session, opened.held.age)
        if wanted != "no":
            renewal = self._renewals.begin(opened)
            if wanted == "wait":
                opened, usable = await self._waited(opened, renewal, deadline)
        session = opened.session
        self._remember(opened.mark, session.subject)
        return Known(
            session.subject,
            session.issuer,
            frozenset(session.scopes),
            session.claims,
            token=session.access if usable else "",
        )

    def permits(self, method: str, fields: Headers) -> bool:
        """Tell whether a page of ours asks, where the cookie alone does not say so."""
        if method in SAFE:
            return True
        carries = any(self.cookie.encode() in said for name, said in fields if name == b"cookie")
        return not carries or is_our_own(fields, self.said.origin)

    def subject(self, fields: Headers) -> str:
        """Return who it was of late, in this process; a session that has ended may still be counted for a while."""
        try:
            return self._subjects.get(mark_of(self.id_of(fields)), "")
        except Denied:
            return ""

    def id_of(self, fields: Headers) -> bytes:
        """Return the id that a browser brings; raises `Denied`."""
        try:
            value = cookies.found(fields, self.cookie)
        except ValueError:
            raise Denied("invalid", "there is more than one session") from None
        if not value:
            raise Denied("missing", "a session is needed: log in")
        known = cookies.random_id(value)
        if known is None:
            raise Denied("invalid", "the session has ended: log in again")
        return known

    async def _in_time(
        self, reading: Awaitable[OpenedSession | None], deadline: DueTime
    ) -> OpenedSession | None:
        try:
            with TimeoutScope(self.clock, deadline):
                return await reading
        except (StoreAway, TimeoutError):
            raise Denied("away", _AWAY) from None

    async def _waited(
        self, opened: OpenedSession, renewal: "asyncio.Task[OpenedSession | None] | None", deadline: DueTime
    ) -> tuple[OpenedSession, bool]:
        """Wait for a renewal, half of the time that is left: a provider that is slow ends nothing.

        Return the session, and whether its access token can be used.
        """
        if renewal is None:
            return opened, False
        now = self.clock.now()
        try:
            with TimeoutScope(self.clock, DueTime(now + deadline.remaining(now) / 2)):
                found = await asyncio.shield(renewal)
        except TimeoutError:
            return opened, False
        except StoreAway:
            raise Denied("away", _AWAY) from None
        if found is None:
            raise Denied("invalid", "the session has ended: log in again")
        return found, due(found.session, found.held.age) != "wait"

    def _remember(self, mark: bytes, subject: str) -> None:
        if mark not in self._subjects and len(self._subjects) >= _REMEMBERED:
            self._subjects.popitem(last=False)
        self._subjects[mark] = subject

    async def _read(self, id_: bytes, *, use: bool) -> OpenedSession | None:
        mark = mark_of(id_)
        held = await self.store.read(mark, use=use)
        text = None if held is None else self.seal.open(held.data, _BOUND + id_)
        session = None if text is None else read_session(text)
        return None if held is None or session is None else OpenedSession(id_, mark, held, session)

    async def _looked(self, id_: bytes) -> OpenedSession | None:
        return await self._read(id_, use=False)

    def _sealed(self, id_: bytes, session: Session) -> bytes:
        return self.seal.seal(session.written(), _BOUND + id_)

    # --- beginning, renewing, ending -----------------------------------------------------------------------

    async def metadata(self) -> ProviderMetadata:
        """Return what the provider says of itself; raises `UpstreamError`."""
        return await self.provider.discovery.metadata()

    async def began(self, login: Login, code: str, redirect_uri: str, deadline: DueTime) -> bytes:
        """Return the id of a new session, for a code; raises `Denied`, `UpstreamError` and `StoreAway`."""
        if not await self.store.spend(mark_of(login.state.encode()), _ONCE):
            raise Denied("invalid", "this login was finished already: begin again")
        try:
            given = await self.provider.tokens.exchange(code, login.verifier, redirect_uri)
        except GrantRefused:
            raise Denied("invalid", "the provider does not accept this login any more: begin again") from None
        if not given.id_token:
            raise UpstreamGarbled("provider.token", "there is no ID token")
        known = await self.provider.id_tokens.read(
            given.id_token, nonce=login.nonce, access=given.access, deadline=deadline
        )
        scopes = self.scopes if given.scopes is None else given.scopes
        session = Session(
            subject=known.subject,
            issuer=known.issuer,
            claims=known.claims,
            scopes=tuple(sorted(scopes)),
            access=given.access,
            refresh=given.refresh,
            id_token=given.id_token,
            expires_in=given.expires_in,
        )
        id_ = secrets.token_urlsafe(32).encode()  # never one that the browser brought
        await self.store.create(mark_of(id_), self._sealed(id_, session))
        return id_

    async def ended(self, fields: Headers) -> Session | None:
        """End the session that a browser brings, and return what it was; raises `StoreAway`."""
        try:
            id_ = self.id_of(fields)
        except Denied:
            return None
        opened = await self._read(id_, use=False)
        await self.store.delete(mark_of(id_))
        self._subjects.pop(mark_of(id_), None)
        return None if opened is None else opened.session

    async def revoke(self, session: Session) -> None:
        """Let the provider forget the refresh token; that it cannot is no reason to stay."""
        try:
            await self.provider.tokens.revoke(session.refresh)
        except UpstreamError:
            return

    async def _refreshed(self, session: Session) -> Session:
        given = await self.provider.tokens.refresh(session.refresh)
        renewed = replace(
            session,
            access=given.access,
            refresh=given.refresh or session.refresh,  # RFC 6749 6: none means that it stays
            expires_in=given.expires_in,
            scopes=session.scopes if given.scopes is None else tuple(sorted(given.scopes)),
        )
        if not given.id_token:
            return renewed
        deadline = DueTime(self.clock.now() + _REFRESHING)
        try:
            known = await self.provider.id_tokens.read(
                given.id_token, nonce=None, access=given.access, deadline=deadline
            )
        except Denied as denied:
            if denied.reason == "unready":
                return renewed
            raise GrantRefused from denied
        if (known.subject, known.issuer) != (session.subject, session.issuer):  # Core 12.2
            raise GrantRefused
        return replace(renewed, claims=known.claims, id_token=given.id_token)

    # --- at rest -------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.provider.discovery.start()
        self.provider.keys.start()

    async def aclose(self) -> None:
        await self._renewals.aclose()
        await self.provider.aclose()
        await self.store.aclose()

    async def is_there(self) -> bool:
        """Tell whether sessions can be looked up, as a request would."""
        try:
            await self.store.read(mark_of(b""), use=True)
        except StoreAway:
            return False
        return True


def mark_of(id_: bytes) -> bytes:
    """Return what a store knows an id by."""
    return hashlib.sha256(b"stagedoor:" + id_).digest()
