"""What happened, as frozen data. Metrics, logs, traces and the flight record are sinks of these.

`operation` is the call's name; what stands before its first dot is the upstream's name. Times are seconds.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from stagedoor._context import Priority
from stagedoor._value import value
from stagedoor.errors import Reason, UpstreamError

__all__ = [
    "AggregateEnded",
    "AttemptEnded",
    "BreakerMoved",
    "BreakerState",
    "BudgetExhausted",
    "CacheLookup",
    "CallJoined",
    "CallShed",
    "Event",
    "HedgeFired",
    "LimitMoved",
    "Observer",
    "PartEnded",
    "RefreshFailed",
    "RequestShed",
    "RetryScheduled",
    "ShedReason",
    "StoreAnswered",
    "StoreFailed",
    "StoreRestored",
    "upstream_of",
]

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]
ShedReason: TypeAlias = Literal["circuit_open", "overloaded", "deadline"]


@value()
class AttemptEnded:
    """One attempt left the gateway and came back: with a value (`error` None) or with an error."""

    operation: str
    attempt: int
    seconds: float
    error: UpstreamError | None


@value()
class RetryScheduled:
    """Another attempt follows after `wait` seconds."""

    operation: str
    attempt: int
    wait: float
    error: UpstreamError


@value()
class BudgetExhausted:
    """A retry or hedge was due, and the budget had nothing left for it."""

    operation: str


@value()
class HedgeFired:
    """A further copy of a call was sent because the earlier ones took long."""

    operation: str
    attempt: int


@value()
class BreakerMoved:
    """A breaker changed its state."""

    operation: str
    before: BreakerState
    after: BreakerState


@value()
class CallShed:
    """A call was refused on our side: breaker open, no place free, or its deadline had passed."""

    operation: str
    reason: ShedReason


@value()
class LimitMoved:
    """So many calls of an upstream may be under way from now on."""

    operation: str
    limit: int


@value()
class RequestShed:
    """A request was refused because the process has too much to do; `operation` is its route."""

    operation: str
    priority: Priority


@value()
class CallJoined:
    """A call waits for the answer of an equal one that is under way."""

    operation: str


@value()
class CacheLookup:
    """A cache was asked; `tier` is the one that decided. One lookup is one event."""

    operation: str
    tier: Literal["memory", "redis"]
    result: Literal["hit", "stale", "miss"]


@value()
class RefreshFailed:
    """A refresh in the background brought no value; the stale one stays until its window ends."""

    operation: str
    error: UpstreamError


@value()
class StoreAnswered:
    """A shared store answered a question in so many seconds."""

    store: str
    seconds: float


@value()
class StoreFailed:
    """A shared store stopped answering, or is found to fail for another reason; the cache goes on without it.

    `error` says in words why, `reason` of which kind that is.
    """

    store: str
    error: str
    reason: Reason = "unavailable"


@value()
class StoreRestored:
    """A shared store answers again and is in use."""

    store: str


@value()
class PartEnded:
    """A part of an aggregate has its verdict; `seconds` is None if no call was made."""

    aggregate: str
    part: str
    status: str
    reason: str | None
    seconds: float | None


@value()
class AggregateEnded:
    """All parts of an aggregate are settled; `complete` if each is fresh or cached."""

    aggregate: str
    seconds: float
    complete: bool


Event: TypeAlias = (
    AttemptEnded
    | RetryScheduled
    | BudgetExhausted
    | HedgeFired
    | BreakerMoved
    | CallShed
    | LimitMoved
    | RequestShed
    | CallJoined
    | CacheLookup
    | RefreshFailed
    | StoreAnswered
    | StoreFailed
    | StoreRestored
    | PartEnded
    | AggregateEnded
)
"""Whatever happened that observers are told of: `Env.observe` is handed one of these."""
Observer: TypeAlias = Callable[[Event], None]


def upstream_of(operation: str) -> str:
    """Return the upstream's name: what stands before the operation's first dot."""
    return operation.partition(".")[0]
