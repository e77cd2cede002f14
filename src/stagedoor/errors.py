"""Everything that can go wrong, in the words policies ask about.

    StagedoorError
      ConfigError                at start-up only: names the setting, part or file, and what would be right
      UpstreamError              operation · retryable · reason · retry_after
        UpstreamTimeout          no complete answer in time               timeout       -> 504
        UpstreamUnavailable      refused, reset before the head, 5xx, 429  unavailable   -> 503
          CircuitOpen            not asked: the breaker is open           circuit_open  -> 503
          Overloaded             not asked: no place, or no time left     overloaded    -> 503
        UpstreamRejected         their answer (4xx), not their failure    rejected
        UpstreamGarbled          an answer that cannot be understood      garbled       -> 502

Statuses live in `problems.py`, not here.
"""

from typing import ClassVar, Literal, TypeAlias

from stagedoor._requests import HttpResponse

__all__ = [
    "CircuitOpen",
    "ConfigError",
    "Overloaded",
    "Reason",
    "StagedoorError",
    "UpstreamError",
    "UpstreamGarbled",
    "UpstreamRejected",
    "UpstreamTimeout",
    "UpstreamUnavailable",
]

Reason: TypeAlias = Literal["timeout", "unavailable", "circuit_open", "overloaded", "rejected", "garbled"]
"""Why a call brought nothing, in a word: in verdicts, metrics and logs."""


class StagedoorError(Exception):
    """The root: catch it to catch whatever the kit raises on purpose."""


class ConfigError(StagedoorError):
    """A declaration or setting that cannot work; raised before the first request is served."""


class UpstreamError(StagedoorError):
    """A call that brought no usable value.

    `operation` is the call's name ("users.get"). `detail` says in words what went wrong, in the log and in /health: no
    address, nothing secret. `retryable` says whether another attempt may help and is safe to make as far as the failure
    goes. `retry_after` is the wait in seconds that upstream, or the breaker, asked for. `response` is what upstream
    said, where it said something: a pass-through route hands it on.
    """

    reason: ClassVar[Reason] = "unavailable"

    def __init__(
        self,
        operation: str,
        detail: str = "",
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        response: HttpResponse | None = None,
    ) -> None:
        super().__init__(operation, detail)
        self.operation = operation
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after
        self.response = response

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail or self.reason}"


class UpstreamTimeout(UpstreamError):
    """No complete answer in time; retryable if only an attempt was late, not if the deadline passed."""

    reason: ClassVar[Reason] = "timeout"


class UpstreamUnavailable(UpstreamError):
    """Refused, unresolvable, reset before the head, 5xx or 429; retryable for all but 500 and its like."""

    reason: ClassVar[Reason] = "unavailable"


class CircuitOpen(UpstreamUnavailable):
    """Not asked, because the breaker is open; `retry_after` is the open time that is left."""

    reason: ClassVar[Reason] = "circuit_open"


class Overloaded(UpstreamUnavailable):
    """Not asked, because no place was free in time: our own shedding, no fault of the upstream."""

    reason: ClassVar[Reason] = "overloaded"


class UpstreamRejected(UpstreamError):
    """The upstream understood and said no (4xx); `response` holds what it said."""

    reason: ClassVar[Reason] = "rejected"


class UpstreamGarbled(UpstreamError):
    """Broken framing, an impossible status, or a body that cannot be decoded."""

    reason: ClassVar[Reason] = "garbled"


class Answered(Exception):
    """An answer that is raised on purpose: below 500 it is no failure of the function that raises it."""

    status: int


def first_of(several: ExceptionGroup[Exception], *kinds: type[Exception]) -> Exception | None:
    """Return the first error of a group, the one that ended the others; None unless all are of these kinds.

    `asyncio.TaskGroup` raises what became of calls side by side as a group, also where it is a single error.
    """
    _, others = several.split(kinds)
    if others is not None:
        return None
    first: Exception = several
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first
