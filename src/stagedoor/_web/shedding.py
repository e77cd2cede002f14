"""Refusals that leave at the door: what it costs to refuse one too many decides how much is left for the others (O8).

Where the processor is what is short, most of what arrives has to be refused, and a task, a scope and a context for each
cost a third of an answer: at twice what it carries half of its time went into refusals. So the door asks here before it
makes any of that. What is refused is counted, told and answered as by the gateway.

Refusals of a route differ in their ids and in the path, of a second in nothing else. So what is said, counted and
logged is prepared, with gaps; and a head whose outline was read before (`stagedoor._door.outline`) is not read again.

Who is let in is still the gateway's to say, once its task runs. Until then others reckon with it (`Pressure.promise`):
a turn of the loop reads many requests before the first of them begins.
"""

from collections.abc import Callable
from typing import Final, Protocol

from stagedoor import _problems as problems
from stagedoor._call import Env
from stagedoor._events import RequestShed
from stagedoor._ids import randbytes, request_id_of
from stagedoor._web.access import RequestCounter
from stagedoor._web.cors import Cors
from stagedoor._web.heads import ids_of, is_plain
from stagedoor._web.permissions import Fields, Render
from stagedoor._web.room import Room, Table
from stagedoor._web.routes import Route, RouteMatch
from stagedoor._web.trace import trace_id_of
from stagedoor.policies._pressure import Pressure

__all__ = ["Refusing", "Shedding"]

_PROBLEM: Final = problems.overloaded(1.0)
_FIELDS: Final = problems.fields_of(_PROBLEM)
_PER_HEAD: Final = 300  # octets of the objects round a head that is remembered
_LENGTH, _ID, _PATH = (b"~%b~" % randbytes(16).hex().encode() for _ in range(3))  # the gaps


class Refusing(Protocol):
    """The gateway, as far as it has a say in a refusal."""

    env: Env
    name: str
    counter: RequestCounter
    pressure: Pressure
    cors: Cors | None
    entropy: Callable[[int], bytes]

    def ask_for_turn(self, now: float, /) -> None:
        """See now and then how long the loop lets one wait."""
        ...

    def match(self, method: str, path: bytes, /) -> RouteMatch:
        """Return what a raw path means."""
        ...

    def dress(self, fields: list[tuple[bytes, bytes]], request_id: bytes, origin: bytes | None, /) -> None:
        """Add the fields that every answer carries."""


class _Notice:
    """How the refusal of one route is told."""

    __slots__ = ("event", "tell")

    def __init__(self, route: Route, counter: RequestCounter) -> None:
        self.event = RequestShed(route.path, route.priority)
        self.tell = counter.prepared("GET", route.path, _PROBLEM.status, _PROBLEM.kind)


class _Head:
    """A head that may be refused unread: who asks from where, if that origin is listed."""

    __slots__ = ("origin", "used")

    def __init__(self, origin: bytes | None, now: float) -> None:
        self.origin = origin
        self.used = now


class Shedding:
    """Refuses for one gateway; `render` writes the head of an answer, `room` is for the outlines of heads."""

    def __init__(self, gateway: Refusing, render: Render, room: Room) -> None:
        self._gateway = gateway
        self._render = render
        self._has_seen = room.has_seen
        self._outlines: Table[_Head] = Table(room)
        self._outlined = self._outlines.get
        self._notices: dict[str, _Notice] = {}
        self._second: Fields | None = None
        self._answers: dict[bytes | None, list[bytes]] = {}  # of this second, by origin
        self._fixed = 0  # octets of a body beside path and id

    def may_refuse(self) -> bool:
        """Tell whether anybody may be refused now."""
        return self._gateway.pressure.is_tight()

    def refusal_alike(self, outline: bytes, path: bytes, octets: bytes, second: Fields) -> bytes | None:
        """Return the whole refusal of a GET whose head is like one that was refused; None: read it.

        `outline` is without the request line, whose path is known to be good; `second` are the fields that the door
        gives each answer.
        """
        known = self._outlined(outline)
        if known is None:
            return None
        gateway = self._gateway
        began = known.used = gateway.env.clock.now()
        route = gateway.match("GET", path).route
        if route.live or not route.counted or not gateway.pressure.is_full(route.priority):
            return None
        return self._refused(route, path, ids_of(octets), known.origin, began, second)

    def refusal(self, path: bytes, fields: Fields, outline: bytes | None, second: Fields) -> bytes | None:
        """Return the whole refusal of a GET that there is no room for; None: the gateway looks at it.

        With an outline, it speaks for all heads that have it.
        """
        gateway = self._gateway
        if not gateway.pressure.is_tight():
            return None
        began, named = gateway.env.clock.now(), dict(fields)
        route = gateway.match("GET", path).route
        if route.live or not route.counted or not is_plain(named) or gateway.pressure.promise(route.priority):
            return None
        origin = named.get(b"origin")
        if gateway.cors is None or not gateway.cors.lists(origin):
            origin = None  # and all of those hear the same
        if outline is not None and self._has_seen(outline):
            self._outlines.add(outline, _Head(origin, began), len(outline) + _PER_HEAD, began)
        ids = request_id_of(named.get(b"x-request-id"), ""), trace_id_of(named, fields)
        return self._refused(route, path, ids, origin, began, second)

    def _refused(
        self,
        route: Route,
        path: bytes,
        ids: tuple[str, str],
        origin: bytes | None,
        began: float,
        second: Fields,
    ) -> bytes:
        """Return a refusal that is counted and told."""
        gateway, (request_id, trace_id) = self._gateway, ids
        gateway.ask_for_turn(began)  # else nobody would see that there is time again
        if not (request_id and trace_id):
            fresh = gateway.entropy(32).hex()
            request_id, trace_id = request_id or fresh[32:], trace_id or fresh[:32]
        notice = self._notices.get(route.path)
        if notice is None:
            notice = self._notices[route.path] = _Notice(route, gateway.counter)
        whole = self._written(path, request_id.encode(), origin, second)
        gateway.env.observe(notice.event)
        notice.tell(gateway.env.clock.now() - began, request_id, trace_id)
        return whole

    def _written(self, path: bytes, request_id: bytes, origin: bytes | None, second: Fields) -> bytes:
        if second is not self._second:
            self._answers, self._second = {}, second
        pieces = self._answers.get(origin)
        if pieces is None:
            pieces = self._answers[origin] = self._pieces(origin, second)
        whole = pieces.copy()
        whole[1] = b"%d" % (self._fixed + len(path) + len(request_id))
        whole[3] = whole[7] = request_id
        whole[5] = path
        return b"".join(whole)

    def _pieces(self, origin: bytes | None, second: Fields) -> list[bytes]:
        """Return what stands before, between and after length, id, path, and id again, with room for those."""
        gap, path = _ID.decode(), _PATH.decode()
        body = problems.render(_PROBLEM, instance=path, request_id=gap, namespace=self._gateway.name)
        self._fixed = len(body) - len(_PATH) - len(_ID)
        said = [*_FIELDS, (b"content-length", _LENGTH)]
        self._gateway.dress(said, _ID, origin)
        whole = b"%b\r\n%b" % (self._render(_PROBLEM.status, [*second, *said]), body)
        pieces = []
        for one in (_LENGTH, _ID, _PATH, _ID):
            before, _, whole = whole.partition(one)
            pieces += [before, b""]
        return [*pieces, whole]
