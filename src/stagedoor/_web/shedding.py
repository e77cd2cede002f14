"""Refusals that leave at the door: what it costs to refuse one too many decides how much is left for the others (O8).

Where the processor is what is short, most of what arrives has to be refused, and a task, a scope and a context for each
cost a third of an answer: at twice what it carries half of its time went into refusals. So the door asks here before it
makes any of that. What is refused is counted, told and answered as by the gateway.

Who is let in is still the gateway's to say, once its task runs. Until then others reckon with it (`Pressure.promise`):
a turn of the loop reads many requests before the first of them begins.
"""

from collections.abc import Callable
from typing import Final, Protocol

from stagedoor import _problems as problems
from stagedoor._call import Env
from stagedoor._events import RequestShed
from stagedoor._ids import request_id_of
from stagedoor._web.access import RequestCounter
from stagedoor._web.heads import is_plain
from stagedoor._web.permissions import Fields, Render
from stagedoor._web.routes import RouteMatch
from stagedoor._web.trace import trace_id_of
from stagedoor.policies._pressure import Pressure

__all__ = ["Refusing", "Shedding"]

_PROBLEM: Final = problems.overloaded(1.0)
_FIELDS: Final = problems.fields_of(_PROBLEM)


class Refusing(Protocol):
    """The gateway, as far as it has a say in a refusal."""

    env: Env
    name: str
    counter: RequestCounter
    pressure: Pressure
    entropy: Callable[[int], bytes]

    def ask_for_turn(self, now: float, /) -> None:
        """See now and then how long the loop lets one wait."""
        ...

    def match(self, method: str, path: bytes, /) -> RouteMatch:
        """Return what a raw path means."""
        ...

    def dress(self, fields: list[tuple[bytes, bytes]], request_id: bytes, origin: bytes | None, /) -> None:
        """Add the fields that every answer carries."""


class Shedding:
    """Refuses for one gateway; `render` writes the head of an answer."""

    def __init__(self, gateway: Refusing, render: Render) -> None:
        self._gateway = gateway
        self._render = render

    def refusal(self, path: bytes, fields: Fields, second: Fields) -> bytes | None:
        """Return the whole refusal of a GET that there is no room for; None: the gateway looks at it.

        `second` are the fields that the door gives each answer.
        """
        pressure = self._gateway.pressure
        if not pressure.is_tight():
            return None
        began, named = self._gateway.env.clock.now(), dict(fields)
        route = self._gateway.match("GET", path).route
        if route.live or not route.counted or not is_plain(named) or pressure.promise(route.priority):
            return None
        self._gateway.ask_for_turn(began)  # else nobody would see that there is time again
        fresh = self._gateway.entropy(32).hex()
        request_id = request_id_of(named.get(b"x-request-id"), fresh[32:])
        trace_id = trace_id_of(named, fields) or fresh[:32]
        whole = self._written(path, request_id, named.get(b"origin"), second)
        self._gateway.env.observe(RequestShed(route.path, route.priority))
        seconds = self._gateway.env.clock.now() - began
        self._gateway.counter.turned_away(route.path, _PROBLEM, seconds, request_id, trace_id)
        return whole

    def _written(self, path: bytes, request_id: str, origin: bytes | None, second: Fields) -> bytes:
        instance = path.decode("ascii", "replace")
        body = problems.render(
            _PROBLEM, instance=instance, request_id=request_id, namespace=self._gateway.name
        )
        said = [*_FIELDS, (b"content-length", b"%d" % len(body))]
        self._gateway.dress(said, request_id.encode(), origin)
        return b"%b\r\n%b" % (self._render(_PROBLEM.status, [*second, *said]), body)
