"""The near cache: kept answers that the door gives again by itself, without a task, a route or a handler.

    octets ─▶ known? ─▶ permission ─▶ [ limit ] ─▶ head of this second + body from the store
       └────▶ read ───▶ permission?

It is a list of permissions and holds no answer: that an answer may be given again, from which entry of the store, and
what its head says. Each use asks the store, so that a purge, an end or a process that has gone deaf (K3) is noticed as
by any other request; an entry that is not the very one the permission was made for is the gateway's, like everything
else that is in doubt. What decides an answer is the target and the fields that its route names (`Route.repeats`), and
exactly these are the key.

A head is known in three ways: read, by its octets if they came before, or by its outline, the lines of it that decide
(`stagedoor._door.outline`), where ids, addresses and cookies make each one new. Octets and outlines are remembered when
they come the second time, a permission is given for the second hit of a target; what is in use is never pushed out by
what is new, so that a flood of unlike heads or targets costs those who send it their own short cuts, and nobody else's.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeAlias

from stagedoor._addresses import Trust, client_key, client_of
from stagedoor._asgi import Scope
from stagedoor._call import Env
from stagedoor._ids import request_id_of
from stagedoor._requests import Headers
from stagedoor._web.access import RequestCounter
from stagedoor._web.answer import Repeat
from stagedoor._web.coding import selected
from stagedoor._web.cors import Cors
from stagedoor._web.heads import DECIDING, KnownHead, forwarded_of, ids_of, is_plain, may_be_remembered
from stagedoor._web.permissions import Ask, Fields, Form, Limit, Permission, Render
from stagedoor._web.request import listed
from stagedoor._web.room import Room, Table
from stagedoor._web.routes import Route
from stagedoor._web.shedding import Refusing, Shedding
from stagedoor._web.trace import trace_id_of
from stagedoor.policies._pressure import Pressure

__all__ = ["NearCache", "Peer"]

Peer: TypeAlias = tuple[str, int] | None

_SHARE: Final = 8  # of the store's octets one in so many is for permissions and heads
_PER_HEAD: Final = 600  # octets of the objects round one
_PER_PERMISSION: Final = 4_000  # with the heads of its forms
_METHODS: Final = frozenset({"GET", "HEAD"})


class Answering(Refusing, Protocol):
    """The gateway, as far as it has a say in each answer."""

    env: Env
    counter: RequestCounter
    pressure: Pressure
    trusted: Trust
    cors: Cors | None
    entropy: Callable[[int], bytes]

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
        self._has_seen = room.has_seen
        self._permissions: Table[Permission] = Table(room)
        self._heads: Table[KnownHead] = Table(room)
        self._outlines: Table[KnownHead] = Table(room)
        self._permitted = self._permissions.get
        self._known = self._heads.get
        self._outlined = self._outlines.get
        self.shedding = Shedding(gateway, render, room)
        self.deciding = DECIDING

    # --- what the door asks ---------------------------------------------------------------------------------------

    def known(self, octets: bytes, peer: Peer, second: Fields) -> bytes | None:
        """Return the whole answer to a head that came before just so; None: read it.

        `second` are the fields that the door gives each answer: another list each second.
        """
        known = self._known(octets)
        if known is None or (known.serial != known.permission.serial and not known.renew()):
            return None
        known.used = now = self._now()
        client = "" if peer is None else peer[0]
        return self._given(
            known.permission, known.form, known.request_id, known.trace_id, client, now, second
        )

    def permits(self, target: bytes) -> bool:
        """Tell whether some answers to a target may be given, so that its outline is worth a look."""
        return self._permitted(target) is not None

    def alike(self, outline: bytes, octets: bytes, peer: Peer, second: Fields) -> bytes | None:
        """Return the whole answer to a head that came before but for what decides nothing; None: read it."""
        known = self._outlined(outline)
        if known is None or (known.serial != known.permission.serial and not known.renew()):
            return None
        known.used = now = self._now()
        permission, form = known.permission, known.form
        client = "" if permission.limit is None else self._client(peer, lambda: forwarded_of(octets))
        request_id, trace_id = ids_of(octets)
        whole = self._given(permission, form, request_id, trace_id, client, now, second)
        if whole is not None and self._has_seen(octets) and may_be_remembered(octets):
            made = KnownHead(permission, known.ask, form, now, request_id, trace_id)
            self._heads.add(octets, made, len(octets) + _PER_HEAD, now)
        return whole

    def find(
        self,
        method: str,
        path: bytes,
        query: bytes,
        fields: Fields,
        octets: bytes,
        outline: bytes | None,
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
        if permission is None or not permission.serial or not is_plain(named):
            return None
        now, ask = self._now(), self._ask(method, named, fields)
        form = permission.form(ask)
        request_id, trace_id = request_id_of(named.get(b"x-request-id"), ""), trace_id_of(named, fields)
        client = "" if permission.limit is None else self._client(peer, lambda: tuple(fields))
        whole = self._given(permission, form, request_id, trace_id, client, now, second)
        if whole is None:
            return None
        if self._has_seen(octets) and may_be_remembered(octets):
            made = KnownHead(permission, ask, form, now, request_id, trace_id)
            self._heads.add(octets, made, len(octets) + _PER_HEAD, now)
        if outline is not None and self._has_seen(outline):
            self._outlines.add(outline, KnownHead(permission, ask, form, now), len(outline) + _PER_HEAD, now)
        return whole

    def _client(self, peer: Peer, fields: Callable[[], Headers]) -> str:
        """Return the address of whoever asks; `fields` are looked at where the peer is a proxy that is trusted."""
        if peer is None or not self._trusted(peer[0]):
            return "" if peer is None else peer[0]
        return client_of(peer[0], fields(), self._trusted)

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
            if not self.deciding.issuperset(names):
                self.deciding |= frozenset(names)  # before there is a permission that depends on them
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
        if not self._has_seen(key):
            return None
        made = Permission(route, self._limit_of(route), now, names)
        return made if self._permissions.add(key, made, len(key) + _PER_PERMISSION, now) else None

    def __repr__(self) -> str:
        return f"<NearCache {len(self._permissions)} permissions, {len(self._heads)} heads>"


def _coded(target: bytes, coding: str) -> bytes:
    return b"%b\0\0%b" % (target, coding.encode())


def _varied(target: bytes, names: Iterable[bytes], fields: Fields) -> bytes:
    """Return a key that is equal only for equal lines of these fields: no line holds a NUL."""
    return b"".join([target, b"\0", *[b"%b:%b\0" % field for field in fields if field[0] in names]])
