"""The one ambient value: who asks, by when, and what was seen on the way.

Set at the door of a request, narrowed by the aggregate for each part, read by `Upstream` and by the transports;
nothing else is ambient.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from stagedoor._deadline import NEVER, DueTime
from stagedoor._requests import Headers
from stagedoor._value import value

__all__ = [
    "WEIGHTS",
    "Priority",
    "Record",
    "RequestContext",
    "current",
    "enter",
    "forwarded",
    "leave",
    "note_wait",
    "under_parent",
]

Priority: TypeAlias = Literal["operations", "detail", "list", "search"]
# The shares of what there is when all of them want more, most urgent first; what one leaves, the others have (O6).
WEIGHTS: Final[Mapping[Priority, int]] = {"operations": 8, "detail": 4, "list": 2, "search": 1}


@dataclass(slots=True)
class Record:
    """What the calls of one request, or of one part of it, did: the facts a verdict is drawn from.

    `lookup`, `ttl` and `stored` tell of the newest look-up, which is the outermost cache's: what `Cache-Status` says.
    """

    calls: int = 0  # attempts that reached a transport
    hits: int = 0  # values taken from a cache
    stale: float | None = None  # seconds past its lifetime of the oldest stale value used
    lookup: Literal["hit", "stale", "miss"] | None = None  # None: no cache was asked
    ttl: float | None = None  # seconds of lifetime left, negative for a stale value, None for one not kept
    stored: bool = False  # the value was put into the cache
    joined: bool = False  # the value came from an equal call that was already under way
    waited: float = 0.0  # seconds that calls waited for places of our own: that much less was left for them
    standing_in: bool = False  # an argument of the part was a fallback: what it makes must not be kept
    # Why a screen that was run inside is not whole: what is made of it is not either.
    lacking: str | None = None
    # Of a hit: what it came from, for whoever may give it again.
    kept: object | None = field(default=None, compare=False, repr=False)

    @property
    def whole(self) -> bool:
        """Tell whether nothing old or lacking was used, so that what was made may be kept."""
        return self.stale is None and self.lacking is None

    def note(self, stale: float | None, lacking: str | None) -> None:
        """Note that a value was used which is so many seconds past its lifetime, or not whole."""
        if stale is not None:
            self.stale = max(self.stale or 0.0, stale)
        self.lacking = self.lacking or lacking

    def take_in(self, part: "Record") -> None:
        """Add what was done apart."""
        self.calls += part.calls
        self.hits += part.hits
        self.joined = self.joined or part.joined
        self.waited += part.waited
        self.note(part.stale, part.lacking)
        if part.lookup is not None:
            self.lookup, self.ttl, self.stored, self.kept = part.lookup, part.ttl, part.stored, part.kept


@value()
class RequestContext:
    """One request as the kit sees it.

    `identity` is the authenticated subject, "" on routes declared public; it is part of every cache and coalescing
    key. `forward` are the header fields that every HTTP call of this request carries on: request id, trace context
    and, on routes that are not public, the caller's credentials.

    `attempt` is the try as which the request itself arrived: one that is already a repetition is not repeated
    again (R7). `route_deadline` is the route's own deadline where a caller asked for a sooner one, else None: a
    flight that others share keeps it, and an attempt cut short by a caller teaches no breaker (D5). `parent` makes
    the `traceparent` of each call, in the place of the one in `forward`.
    `caller` is for whoever declares screens: what it knows of who asks. The kit below hands it on and never looks.
    `priority` says who goes first where not all can be served.
    """

    request_id: str = "-"
    deadline: DueTime = NEVER
    identity: str = ""
    forward: Headers = ()
    record: Record = field(default_factory=Record)
    attempt: int = 1
    route_deadline: DueTime | None = None
    parent: Callable[[], bytes] | None = None
    caller: object | None = None
    priority: Priority = "detail"


_OUTSIDE = RequestContext()
_CONTEXT: ContextVar[RequestContext] = ContextVar("stagedoor", default=_OUTSIDE)

current = _CONTEXT.get


def forwarded() -> Headers:
    """Return the fields that a call of the current request carries on, under a parent id of the call's own."""
    asked = current()
    return under_parent(asked.forward, asked.parent)


def under_parent(fields: Headers, parent: Callable[[], bytes] | None) -> Headers:
    """Return fields with a `traceparent` of one call's own in the place of theirs."""
    if parent is None:
        return fields
    return tuple([(name, parent() if name == b"traceparent" else said) for name, said in fields])


def note_wait(seconds: float) -> None:
    """Note in the current request's record that a call waited for a place of our own; outside of any, nowhere."""
    asked = current()
    if asked is not _OUTSIDE:
        asked.record.waited += seconds


def enter(context: RequestContext) -> Token[RequestContext]:
    """Make a context the current one of this task; `leave` the token to return."""
    return _CONTEXT.set(context)


def leave(token: Token[RequestContext]) -> None:
    """Return to the context that was current before `enter`."""
    _CONTEXT.reset(token)
