"""The near cache: kept answers that the door gives again by itself, without a task, a route or a handler.

    octets ─▶ known? ─▶ permission ─▶ [ limit ] ─▶ head of this second + body from the store
       └────▶ read ───▶ permission?

It is a list of permissions and holds no answer: that an answer may be given again, from which entry of the store, and
what its head says. Each use asks the store, so that a purge, an end or a process that has gone deaf (K3) is noticed as
by any other request; an entry that is not the very one the permission was made for is the gateway's, like everything
else that is in doubt. What decides an answer is the target and the fields that its route names (`Route.repeats`), and
exactly these are the key.

A head is known in two ways: read, or by its octets if they came before. Octets are remembered when they come the second
time, a permission is given for the second hit of a target; what is in use is never pushed out by what is new, so that a
flood of unlike heads or targets costs those who send it their own short cuts, and nobody else's.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeAlias

from stagedoor._addresses import Trust, client_key, client_of
from stagedoor._asgi import Scope
from stagedoor._call import Env
from stagedoor._ids import request_id_of
from stagedoor._web.access import RequestCounter
from stagedoor._web.answer import Repeat
from stagedoor._web.coding import selected
from stagedoor._web.cors import Cors
from stagedoor._web.permissions import Ask, Fields, Form, Limit, Permission, Render
from stagedoor._web.request import listed
from stagedoor._web.room import Room, Table
from stagedoor._web.routes import Route
from stagedoor._web.trace import trace_id_of
from stagedoor.policies._pressure import Pressure

__all__ = ["NearCache", "Peer"]

Peer: TypeAlias = tuple[str, int] | None

_SHARE: Final = 8  # of the store's octets one in so many is for permissions and heads
_LONGEST: Final = 2_048  # octets of a head that is remembered
_PER_HEAD: Final = 600  # octets of the objects round one
_PER_PERMISSION: Final = 4_000  # with the heads of its forms
_METHODS: Final = frozenset({"GET", "HEAD"})
_PROXIED: Final = frozenset({b"x-forwarded-for", b"forwarded"})
# Whose octets are not to be kept, or do not tell by themselves who asks.
_FORGOTTEN: Final = _PROXIED | {b"authorization", b"cookie", b"proxy-authorization", b"x-api-key"}
# What asks for something else than a kept answer, or frames the message: the gateway looks at it.
_NEVER: Final = frozenset(
    {
        b"content-length",
        b"expect",
        b"http2-settings",
        b"if-match",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-forwarded-prefix",
    }
)
_OURS: Final = b"\0stagedoor-"  # how a name of ours begins in a list of names


class _KnownHead:
    """A head that came before, octet for octet, and what it means. Ids are "" where it brings none."""

    __slots__ = ("ask", "form", "negotiated", "permission", "request_id", "serial", "trace_id", "used")

    def __init__(
        self, permission: Permission, ask: Ask, form: Form, request_id: str, trace_id: str, now: float
    ) -> None:
        self.permission = permission
        self.negotiated = permission.negotiated
        self.ask = ask
        self.form = form  # of the entry with this serial
        self.serial = permission.serial
        self.request_id = request_id
        self.trace_id = trace_id
        self.used = now


class Answering(Protocol):
    """The gateway, as far as it has a say in each answer."""

    env: Env
    counter: RequestCounter
    pressure: Pressure
    trusted: Trust
    cors: Cors | None
    entropy: Callable[[int], bytes]

    def dress(self, fields: list[tuple[bytes, bytes]], request_id: bytes, origin: bytes | None, /) -> None:
        """Add the fields that every answer carries."""

    def limit_of(self, route: Route, /) -> Limit | None:
        """Return what counts a request of a route that certainly may pass; None where nothing limits it."""
        ...


class NearCache:
    """The permissions of one gateway, and the heads that are known.

    `render` writes the head of an answer. `most` octets are what the store may hold, `claim` counts those that are
    taken here.
    """

    def __init__(
        self, gateway: Answering, *, render: Render, most: int, claim: Callable[[int], None]
    ) -> None:
        self._now = gateway.env.clock.now
        self._observe = gateway.env.observe
        self._render = render
        self._dress = gateway.dress
        self._limit_of = gateway.limit_of
        self._counter = gateway.counter
        self._pressure = gateway.pressure
        self._trusted = gateway.trusted
        self._cors = gateway.cors
        self._entropy = gateway.entropy
        room = Room(most // _SHARE, claim)
        self._permissions: Table[Permission] = Table(room)
        self._heads: Table[_KnownHead] = Table(room)
        self._permitted = self._permissions.get
        self._known = self._heads.get

    # --- what the door asks ---------------------------------------------------------------------------------------

    def known(self, octets: bytes, peer: Peer, second: Fields) -> bytes | None:
        """Return the whole answer to a head that came before just so; None: read it.

        `second` are the fields that the door gives each answer: another list each second.
        """
        known = self._known(octets)
        if known is None:
            return None
        permission = known.permission
        if known.serial != permission.serial:
            if not permission.serial or known.negotiated != permission.negotiated:
                return None
            known.form, known.serial = permission.form(known.ask), permission.serial
        known.used = now = self._now()
        client = "" if peer is None else peer[0]
        return self._given(permission, known.form, known.request_id, known.trace_id, client, now, second)

    def find(
        self,
        method: str,
        path: bytes,
        query: bytes,
        fields: Fields,
        octets: bytes,
        peer: Peer,
        second: Fields,
    ) -> bytes | None:
        """Return the whole answer to a head that was read and found good; None: ask the gateway."""
        target = b"%b?%b" % (path, query) if query else path
        first = self._permitted(target)
        if first is None or method not in _METHODS:
            return None
        named = dict(fields)
        permission = self._permission(target, first, named, fields)
        if permission is None or not permission.serial or not _plain(named):
            return None
        now, ask = self._now(), self._ask(method, named, fields)
        form = permission.form(ask)
        request_id, trace_id = request_id_of(named.get(b"x-request-id"), ""), trace_id_of(named, fields)
        client = "" if peer is None else client_of(peer[0], tuple(fields), self._trusted)
        whole = self._given(permission, form, request_id, trace_id, client, now, second)
        plain = whole is not None and len(octets) <= _LONGEST and _FORGOTTEN.isdisjoint(named)
        if plain and self._heads.has_seen(octets):
            known = _KnownHead(permission, ask, form, request_id, trace_id, now)
            self._heads.add(octets, known, len(octets) + _PER_HEAD, now)
        return whole

    def _permission(
        self, target: bytes, found: Permission | None, named: Mapping[bytes, bytes], fields: Fields
    ) -> Permission | None:
        """Return what is permitted by the fields and codings that there are several answers for."""
        if found is not None and found.names:
            target = _varied(target, found.names, fields)
            found = self._permitted(target)
        if found is None or not found.negotiated or b"accept-encoding" not in named:
            return found
        coding = selected(listed(b"accept-encoding", named, fields) or b"")
        return self._permitted(_coded(target, coding)) if coding else found

    def _ask(self, method: str, named: dict[bytes, bytes], fields: Fields) -> Ask:
        condition, origin = listed(b"if-none-match", named, fields), named.get(b"origin")
        known = origin is not None and self._cors is not None and self._cors.lists(origin)
        return method, condition, origin if known else None

    def _given(
        self,
        permission: Permission,
        form: Form,
        request_id: str,
        trace_id: str,
        client: str,
        now: float,
        second: Fields,
    ) -> bytes | None:
        """Return an answer that is counted and told, or None: then nothing has happened yet."""
        if not self._pressure.is_low():
            return None
        found = permission.found()
        if found is None:
            return None
        held, source = found
        if form.second is not second and not permission.write(
            form, held, now, second, self._render, self._dress
        ):
            return None
        limits = b"\r\n"
        if permission.limit is not None:  # the last that can refuse: from here on it is counted
            told = permission.limit(client_key(client) if client else client)
            if told is None:
                return None
            limits = told + limits
        if not (request_id and trace_id):
            fresh = self._entropy(32).hex()
            request_id, trace_id = request_id or fresh[32:], trace_id or fresh[:32]
        self._observe(permission.event)
        tell = form.told or permission.prepare(form, self._counter)
        tell(self._now() - now, request_id, trace_id)
        head = (form.before, request_id.encode(), form.after, limits)
        if form.bodiless:
            return b"".join(head)
        # One copy of up to 64 KB costs less than a write of several whole.
        return b"".join((*head, memoryview(source.entry.body)[permission.offset :], permission.tail))

    # --- what the gateway tells -----------------------------------------------------------------------------------

    def permit(self, scope: Scope, route: Route, repeat: Repeat) -> None:
        """Permit what the gateway has just answered, if the same was asked for before."""
        names = route.repeats
        if names is None or not route.counted:
            return
        target = scope["raw_path"]
        if scope["query_string"]:
            target = b"%b?%b" % (target, scope["query_string"])
        if names:
            self._held(target, route, names)
            target = _varied(target, names, scope["headers"])
        permission = self._held(target, route, ())
        if permission is not None:
            permission.negotiated = repeat.negotiated
        if repeat.coding:
            permission = self._held(_coded(target, repeat.coding), route, ())
        if permission is not None and permission.serial != repeat.kept.held.serial:
            permission.settle(repeat)

    def _held(self, key: bytes, route: Route, names: tuple[bytes, ...]) -> Permission | None:
        """Return the permission under a key; a new one if it comes the second time, and there is room."""
        found, now = self._permitted(key), self._now()
        if found is not None:
            found.used = now
            return found
        if not self._permissions.has_seen(key):
            return None
        made = Permission(route, self._limit_of(route), now, names)
        return made if self._permissions.add(key, made, len(key) + _PER_PERMISSION, now) else None

    def __repr__(self) -> str:
        return f"<NearCache {len(self._permissions)} permissions, {len(self._heads)} heads>"


def _plain(named: dict[bytes, bytes]) -> bool:
    """Tell whether a head asks for nothing that only the gateway can answer."""
    names = b"\0".join(named)
    if not _NEVER.isdisjoint(named) or _OURS in names or names.startswith(_OURS[1:]):
        return False
    return named.get(b"connection", b"keep-alive").lower() == b"keep-alive"


def _coded(target: bytes, coding: str) -> bytes:
    return b"%b\0\0%b" % (target, coding.encode())


def _varied(target: bytes, names: Iterable[bytes], fields: Fields) -> bytes:
    """Return a key that is equal only for equal lines of these fields: no line holds a NUL."""
    return b"".join([target, b"\0", *[b"%b:%b\0" % field for field in fields if field[0] in names]])
