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

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from stagedoor._addresses import Trust, client_key, client_of
from stagedoor._asgi import Scope
from stagedoor._call import Env
from stagedoor._ids import request_id_of
from stagedoor._web.access import RequestCounter
from stagedoor._web.answer import Repeat
from stagedoor._web.cors import Cors
from stagedoor._web.permissions import Ask, Dress, Fields, Form, Limit, Permission, Render
from stagedoor._web.room import Room, Table
from stagedoor._web.routes import Route
from stagedoor._web.trace import identify
from stagedoor.policies._pressure import Pressure

__all__ = ["NearCache", "Peer", "Pieces"]

Peer: TypeAlias = tuple[str, int] | None
Pieces: TypeAlias = Sequence[bytes | memoryview]

_SHARE: Final = 8  # of the store's octets one in so many is for permissions and heads
_COPIED: Final = 16_384  # octets of a body that one write with its head is worth a copy for
_LONGEST: Final = 2_048  # octets of a head that is remembered
_PER_HEAD: Final = 600  # octets of the objects round one
_PER_PERMISSION: Final = 4_000  # with the heads of its forms
_METHODS: Final = frozenset({"GET", "HEAD"})
_CONDITION: Final = b"if-none-match"
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
    }
)
_OURS: Final = b"stagedoor-"


class _KnownHead:
    """A head that came before, octet for octet, and what it means. Ids are "" where it brings none."""

    __slots__ = ("ask", "form", "permission", "request_id", "serial", "trace_id", "used")

    def __init__(
        self, permission: Permission, ask: Ask, form: Form, request_id: str, trace_id: str, now: float
    ) -> None:
        self.permission = permission
        self.ask = ask
        self.form = form  # of the entry with this serial
        self.serial = permission.serial
        self.request_id = request_id
        self.trace_id = trace_id
        self.used = now


class NearCache:
    """The permissions of one gateway, and the heads that are known.

    `render` writes the head of an answer, `dress` adds the fields that every answer carries to a list, `limit_of` tells
    what limits the clients of a route. `most` octets are what the store may hold, `claim` counts those that are taken
    here.
    """

    def __init__(
        self,
        *,
        env: Env,
        render: Render,
        dress: Dress,
        limit_of: Callable[[Route], Limit | None],
        counter: RequestCounter,
        pressure: Pressure,
        trusted: Trust,
        cors: Cors | None,
        entropy: Callable[[int], bytes],
        most: int,
        claim: Callable[[int], None],
    ) -> None:
        self._now = env.clock.now
        self._observe = env.observe
        self._render = render
        self._dress = dress
        self._limit_of = limit_of
        self._counter = counter
        self._pressure = pressure
        self._trusted = trusted
        self._cors = cors
        self._entropy = entropy
        room = Room(most // _SHARE, claim)
        self._permissions: Table[Permission] = room.table()
        self._heads: Table[_KnownHead] = room.table()
        self._permitted = self._permissions.get
        self._known = self._heads.get

    # --- what the door asks ---------------------------------------------------------------------------------------

    def known(self, octets: bytes, peer: Peer, second: Fields) -> Pieces | None:
        """Return the whole answer to a head that came before just so; None: read it.

        `second` are the fields that the door gives each answer: another list each second.
        """
        known = self._known(octets)
        if known is None:
            return None
        permission = known.permission
        if known.serial != permission.serial:
            if not permission.serial:
                return None
            known.form, known.serial = permission.form(known.ask, self._counter), permission.serial
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
    ) -> Pieces | None:
        """Return the whole answer to a head that was read and found good; None: ask the gateway."""
        permission = self._permission(path, query, fields)
        if permission is None or method not in _METHODS or not permission.serial:
            return None
        named = dict(fields)
        if not _plain(named):
            return None
        now, ask = self._now(), self._ask(method, named, fields)
        form = permission.form(ask, self._counter)
        request_id, trace_id = _ids(named, fields)
        client = "" if peer is None else client_of(peer[0], tuple(fields), self._trusted)
        pieces = self._given(permission, form, request_id, trace_id, client, now, second)
        if pieces is not None and len(octets) <= _LONGEST and _FORGOTTEN.isdisjoint(named):
            known = _KnownHead(permission, ask, form, request_id, trace_id, now)
            self._heads.add(octets, known, len(octets) + _PER_HEAD, now)
        return pieces

    def _permission(self, path: bytes, query: bytes, fields: Fields) -> Permission | None:
        target = b"%b?%b" % (path, query) if query else path
        permission = self._permitted(target)
        if permission is None or not permission.names:
            return permission
        return self._permitted(_varied(target, permission.names, fields))

    def _ask(self, method: str, named: dict[bytes, bytes], fields: Fields) -> Ask:
        condition, origin = named.get(_CONDITION), named.get(b"origin")
        if condition is not None:  # all its lines are one list (RFC 9110 5.3)
            condition = b", ".join([said for name, said in fields if name == _CONDITION])
        listed = origin is not None and self._cors is not None and self._cors.lists(origin)
        return method, condition, origin if listed else None

    def _given(
        self,
        permission: Permission,
        form: Form,
        request_id: str,
        trace_id: str,
        client: str,
        now: float,
        second: Fields,
    ) -> Pieces | None:
        """Return an answer that is counted and told, or None: then nothing has happened yet."""
        if not self._pressure.is_low():
            return None
        held = permission.again(permission.key)
        if held is None or held.serial != permission.serial:
            return None
        if form.second is not second and not permission.write(
            form, held, now, second, self._render, self._dress
        ):
            return None
        limits = b"\r\n"
        if permission.limit is not None:  # the last that can refuse: from here on it is counted
            told = permission.limit(client_key(client) if client else client)
            if told is None:
                return None
            limits = b"".join([b"%b: %b\r\n" % field for field in told]) + limits
        if not (request_id and trace_id):
            fresh = self._entropy(32).hex()
            request_id, trace_id = request_id or fresh[32:], trace_id or fresh[:32]
        self._observe(permission.event)
        form.told(self._now() - now, request_id, trace_id)
        head = (form.before, request_id.encode(), form.after, limits)
        return head_and_body(head, permission, form, held.entry.body)

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
        if permission is not None and permission.serial != repeat.kept.held.serial:
            permission.settle(repeat)

    def _held(self, key: bytes, route: Route, names: tuple[bytes, ...]) -> Permission | None:
        """Return the permission under a key; a new one if it comes the second time, and there is room."""
        found, now = self._permitted(key), self._now()
        if found is not None:
            found.used = now
            return found
        made = Permission(route, self._limit_of(route), now, names)
        return made if self._permissions.add(key, made, len(key) + _PER_PERMISSION, now) else None

    def __repr__(self) -> str:
        return f"<NearCache {len(self._permissions)} permissions, {len(self._heads)} heads>"


def head_and_body(head: tuple[bytes, ...], permission: Permission, form: Form, kept: bytes) -> Pieces:
    """Return the octets of an answer, in as few pieces as are worth a copy."""
    if form.bodiless:
        return (b"".join(head),)
    body = memoryview(kept)[permission.offset :]
    if len(body) <= _COPIED:
        return (b"".join((*head, body, permission.tail)),)
    pieces = (b"".join(head), body)
    return (*pieces, permission.tail) if permission.tail else pieces


def _plain(named: dict[bytes, bytes]) -> bool:
    """Tell whether a head asks for nothing that only the gateway can answer."""
    if not _NEVER.isdisjoint(named) or any(name.startswith(_OURS) for name in named):
        return False
    return named.get(b"connection", b"keep-alive").lower() == b"keep-alive"


def _varied(target: bytes, names: Iterable[bytes], fields: Fields) -> bytes:
    """Return a key that is equal only for equal lines of these fields: no line holds a NUL."""
    return b"".join([target, b"\0", *[b"%b:%b\0" % field for field in fields if field[0] in names]])


def _ids(named: dict[bytes, bytes], fields: Fields) -> tuple[str, str]:
    """Return the request id and the trace id that a head brings, as the gateway takes them over; "" for none."""
    request_id = request_id_of(named.get(b"x-request-id"), "")
    if b"traceparent" not in named:
        return request_id, ""
    trace = identify(named, fields, _NO_ENTROPY)[1].trace_id.decode()
    return request_id, "" if trace == _NO_TRACE else trace


_NO_ENTROPY: Final = bytes(40)
_NO_TRACE: Final = "0" * 32  # as is made of it; one that comes in is never zero (Trace Context 3.2.2.3)
