"""May a kept answer be used? Decided from its age alone."""

from dataclasses import dataclass
from typing import TypeAlias

from stagedoor._value import value

__all__ = ["Fresh", "Freshness", "FreshnessRule", "Miss", "Stale", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessRule:
    """How long an answer is fresh, and how long past that it may still stand in, in seconds.

    The windows begin where the lifetime ends (RFC 5861): `stale_while_revalidate` while a new one is fetched in the
    background, `stale_if_error` when fetching a new one failed.
    """

    lifetime: float
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0

    @property
    def keep(self) -> float:
        """Seconds after which the answer is of no use at all."""
        return self.lifetime + max(self.stale_while_revalidate, self.stale_if_error)


@value()
class Fresh:
    """Inside its lifetime, of which `left` seconds remain."""

    left: float


@value()
class Stale:
    """Past its lifetime by `past` seconds: usable now if `now`, and after a failure if `on_error`."""

    past: float
    now: bool
    on_error: bool


@value()
class Miss:
    """Not usable."""


Freshness: TypeAlias = Fresh | Stale | Miss
_MISS = Miss()


def judge(born: float | None, rule: FreshnessRule, now: float) -> Freshness:
    """Judge an answer that was born at a moment; None if there is none. A moment ahead of now counts as now."""
    if born is None:
        return _MISS
    past = max(0.0, now - born) - rule.lifetime
    if past < 0.0:
        return Fresh(-past)
    # RFC 9111 4.2: at the very end of the lifetime an answer is stale.
    use, on_error = past < rule.stale_while_revalidate, past < rule.stale_if_error
    return Stale(past, use, on_error) if use or on_error else _MISS
