"""What became of each part, and how that is said: in a header, in `Server-Timing`, in the body (P4)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from stagedoor._context import Record
from stagedoor._value import value
from stagedoor.errors import UpstreamError

__all__ = [
    "PartVerdict",
    "Report",
    "Status",
    "VerdictJson",
    "answered",
    "most_telling",
    "parts_header",
    "recalled",
    "recorded",
    "server_timing",
    "stood_in",
    "verdict_json",
    "whole",
]

Status: TypeAlias = Literal["fresh", "cached", "stale", "fallback", "missing"]
VerdictJson: TypeAlias = dict[str, str | float | None]

_WHOLE = frozenset({"fresh", "cached"})
# From what an upstream said of itself to what it was not even asked; a refusal of one part tells least of the rest.
_TELLING = ("garbled", "unavailable", "timeout", "circuit_open", "overloaded", "rejected")


@value()
class PartVerdict:
    """What became of one part.

    `reason` says why there is no value of its own: a word of `errors.Reason` or `depends_on_<part>`. `ms` is how
    long the part took, None if no call was made. `age` is how many seconds past its lifetime a stale value was.
    """

    status: Status
    reason: str | None = None
    ms: float | None = None
    age: float | None = None

    @property
    def whole(self) -> bool:
        """Tell whether the part is what it would be on a good day: fetched now, or inside its lifetime."""
        return self.status in _WHOLE

    @property
    def has_value(self) -> bool:
        """Tell whether the value came from its source, and does not merely stand in."""
        return self.status in _WHOLE or self.status == "stale"


@value(kw_only=True)
class Report:
    """What a summary may tell about the answer it is part of. Times are seconds.

    `wall` is when the parts were put together (since 1970, for display), `seconds` how long that took. `lifetime` is
    how long the answer may be cached, 0 if it is incomplete. `cached` and `elapsed` are about this very answer: does
    it come from the cache, and how long did it take since the request arrived.
    """

    verdicts: Mapping[str, PartVerdict]
    wall: float
    seconds: float
    lifetime: float = 0.0
    cached: bool = False
    elapsed: float = 0.0

    @property
    def answered(self) -> int:
        """How many parts have a value of their own, rather than a default or none."""
        return sum(verdict.has_value for verdict in self.verdicts.values())


_CACHED = PartVerdict("cached")


def answered(record: Record, seconds: float) -> PartVerdict:
    """Judge a part that brought a value, by what its calls did."""
    ms = _ms(record, seconds)
    if record.lacking is not None:  # a screen inside of it had defaults standing in
        return PartVerdict("fallback", record.lacking, ms)
    if record.stale is not None:
        return PartVerdict("stale", None, ms, record.stale)
    if record.hits and ms is None:
        return PartVerdict("cached", None, ms)
    return PartVerdict("fresh", None, ms)


def recorded(verdicts: Mapping[str, PartVerdict]) -> Record:
    """Return what a run is to whoever makes something of what it brought."""
    told = verdicts.values()
    ages = [one.age for one in told if one.age is not None]
    return Record(
        calls=sum(one.ms is not None for one in told),
        hits=sum(one.status == "cached" for one in told),
        stale=max(ages, default=None),
        lacking=next((one.reason for one in told if not one.has_value), None),
    )


def stood_in(record: Record, seconds: float, error: UpstreamError, *, fallback: bool) -> PartVerdict:
    """Judge a part that failed."""
    return PartVerdict("fallback" if fallback else "missing", error.reason, _ms(record, seconds))


def recalled(verdicts: Mapping[str, PartVerdict]) -> dict[str, PartVerdict]:
    """Return the verdicts of a complete answer that now comes from the cache: every part is `cached`."""
    return dict.fromkeys(verdicts, _CACHED)


def whole(verdicts: Mapping[str, PartVerdict]) -> bool:
    """Tell whether every part is what it would be on a good day."""
    return _WHOLE.issuperset([verdict.status for verdict in verdicts.values()])


def most_telling(errors: list[UpstreamError]) -> UpstreamError:
    """Return the error that says most about why nothing could be had; the first among equals (P3)."""
    return min(errors, key=lambda error: _TELLING.index(error.reason))


def parts_header(verdicts: Mapping[str, PartVerdict]) -> str:
    """Render the header `Stagedoor-Parts`, a dictionary of tokens (RFC 9651 3.2)."""
    return ", ".join(
        [
            _token(name, said.status, said.reason) if said.age is None else _aged(name, said, said.age)
            for name, said in verdicts.items()
        ]
    )


def server_timing(verdicts: Mapping[str, PartVerdict]) -> str:
    """Render `Server-Timing` (W3C): each part that made a call, with its milliseconds."""
    timed = [f"{name};dur={verdict.ms:.1f}" for name, verdict in verdicts.items() if verdict.ms is not None]
    return ", ".join(timed)


def verdict_json(verdict: PartVerdict) -> VerdictJson:
    """Render one verdict for the body: status and milliseconds always, the others where there is something to say."""
    told: VerdictJson = {"status": verdict.status, "ms": None if verdict.ms is None else round(verdict.ms, 1)}
    if verdict.reason is not None:
        told["reason"] = verdict.reason
    if verdict.age is not None:
        told["age"] = round(verdict.age, 1)
    return told


def _ms(record: Record, seconds: float) -> float | None:
    """Return the milliseconds of a part that made a call, or waited for one that was under way."""
    return seconds * 1000.0 if record.calls or record.joined else None


def _aged(name: str, verdict: PartVerdict, age: float) -> str:
    return f"{_token(name, verdict.status, verdict.reason)};age={int(age)}"


@lru_cache(maxsize=1024)
def _token(name: str, status: Status, reason: str | None) -> str:
    """Spell one member but for its age; there are few, and nearly always they are the same."""
    key = name.lower()  # RFC 9651 3.1.2 knows lower case only
    return f"{key}={status}" if reason is None else f"{key}={status};reason={reason}"
