"""The breaker's machine: pure, without clock, lock or await.

    closed ── enough failures ──▶ open ── its time is over, somebody asks ──▶ half_open
       ▲                           ▲                                            │  │
       │                           └──────────────── a probe fails ─────────────┘  │
       └───────────────────────────────── all probes succeed ──────────────────────┘

Each move begins a new generation. A ticket is the generation in which its call was let in; what comes back with an
older ticket was sent into another world and teaches nothing (C4). While half open exactly `probes` tickets are out
(C3). One that brings no lesson is released and may be given again (C5, C7).

The open time follows the failure: short at first, twice as long after each probe that failed. So when the upstream
answers again, the wait for the next probe is never longer than the failure has lasted, and `probe_after` more; and an
upstream that stays away sees few of them.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagedoor._events import BreakerState
from stagedoor.policies._options import validate
from stagedoor.policies._window import OutcomeWindow

__all__ = ["Circuit", "CircuitRule", "Hold"]

Hold: TypeAlias = Literal["open", "closed", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRule:
    """When a circuit opens, for how long, and how it closes. Times are seconds.

    Three triggers, each enough: `consecutive` failures in a row (None: off); at least `failure_rate` of the calls
    in the window failed; at least `slow_rate` of them took longer than `slow_after`. A time-out is none of a row if
    another call was answered meanwhile: then there is a queue, and nobody away. Rates are not computed below
    `minimum` calls (C1). The first probe goes out `probe_after` after opening; each one that fails doubles the wait,
    up to `open_for`. A wait is shortened by up to `jitter` of itself, so that workers that opened together do not
    probe together.
    """

    consecutive: int | None = 5
    failure_rate: float = 0.5
    slow_rate: float = 0.5
    slow_after: float = math.inf
    minimum: int = 20
    window: float = 10.0
    buckets: int = 10
    probe_after: float = 0.1
    open_for: float = 1.0
    jitter: float = 0.2
    probes: int = 1

    def __post_init__(self) -> None:
        validate(
            self, "consecutive", self.consecutive is None or self.consecutive >= 1, "at least 1, or None"
        )
        validate(self, "failure_rate", 0 < self.failure_rate <= 1, "above 0 and at most 1")
        validate(self, "slow_rate", 0 < self.slow_rate <= 1, "above 0 and at most 1")
        validate(self, "slow_after", self.slow_after > 0, "seconds above 0")
        validate(self, "minimum", self.minimum >= 1, "at least 1")
        validate(self, "window", 0 < self.window < math.inf, "seconds above 0")
        validate(self, "buckets", self.buckets >= 1, "at least 1")
        validate(self, "probe_after", 0 < self.probe_after < math.inf, "seconds above 0")
        validate(self, "open_for", 0 < self.open_for < math.inf, "seconds above 0")
        validate(self, "jitter", 0 <= self.jitter <= 1, "between 0 and 1")
        validate(self, "probes", self.probes >= 1, "at least 1")


class Circuit:
    """The state of one circuit: `admit` each call, then `record` or `release` its ticket, exactly once."""

    __slots__ = (
        "_answered",
        "_held",
        "_passed",
        "_rule",
        "_streak",
        "_wait",
        "generation",
        "out",
        "state",
        "until",
        "window",
    )

    def __init__(self, rule: CircuitRule) -> None:
        self._rule = rule
        self.generation = 0
        self._answered = -math.inf  # when a call was answered last
        self._held = False  # an operator keeps it closed
        self._passed = 0  # probes that succeeded
        self._streak = 0  # failures in a row
        self._wait = 0.0  # the last wait for a probe, before jitter; 0 while closed
        self.state: BreakerState = "closed"
        self.until = 0.0  # the end of the open time
        self.out = 0  # probes under way
        self.window = OutcomeWindow(rule.window, rule.buckets)

    def admit(self, now: float) -> int | None:
        """Return the ticket of a call that may go, None for one that may not."""
        if self.state == "closed":
            return self.generation
        if self.state == "open":
            if now < self.until:
                return None
            self._move("half_open")
        if self.out + self._passed >= self._rule.probes:
            return None
        self.out += 1
        return self.generation

    def record(
        self, ticket: int, now: float, failed: bool, slow: bool, roll: float, began: float = math.inf
    ) -> None:
        """Learn how the call of a ticket ended; `roll`, uniform in [0, 1), shortens the open time.

        `began` is when a call was sent that had no answer in time.
        """
        if ticket != self.generation:
            return
        if self.state == "closed":
            self.window.add(now, failed, slow)
            if not failed:
                self._streak, self._answered = 0, now
            elif began >= self._answered:  # none was answered meanwhile
                self._streak += 1
            if self._tripped() and not self._held:
                self._open(now, roll)
        elif failed or slow:
            self._open(now, roll)
        else:
            self.out -= 1
            self._passed += 1
            if self._passed >= self._rule.probes:
                self._move("closed")
                self._wait = 0.0
                self.window.clear()

    def release(self, ticket: int) -> None:
        """Take a ticket back whose call taught nothing."""
        if ticket == self.generation and self.state == "half_open":
            self.out -= 1

    def hold(self, state: Hold, now: float) -> None:
        """Stay open or closed whatever calls bring, until told "auto": then an open one is probed at once."""
        self._held = state == "closed"
        self._wait = 0.0
        if state == "closed" and self.state != "closed":
            self._move("closed")
            self.window.clear()
        elif state == "open":
            self.until = math.inf
            self._move("open")
        elif self.state == "open":
            self.until = min(self.until, now)

    def _tripped(self) -> bool:
        rule, seen = self._rule, self.window
        if not (seen.failures or seen.slow):  # the everyday
            return False
        if rule.consecutive is not None and self._streak >= rule.consecutive:
            return True
        if seen.calls < rule.minimum:
            return False
        # Divided, not multiplied: 7 / 100 is the number written 0.07, and 0.07 * 100 is more than 7.
        return seen.failures / seen.calls >= rule.failure_rate or seen.slow / seen.calls >= rule.slow_rate

    def _open(self, now: float, roll: float) -> None:
        rule = self._rule
        self._wait = min(2 * self._wait or rule.probe_after, rule.open_for)
        self.until = now + self._wait * (1 - rule.jitter * roll)
        self._move("open")

    def _move(self, state: BreakerState) -> None:
        self.state = state
        self.generation += 1
        self._streak = self._passed = self.out = 0
