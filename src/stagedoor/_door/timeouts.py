"""How long a peer may take: a pure state machine of one connection's times.

The connection has one timer, which is never moved: a request costs no timer operation. It fires when the phase's
time would be up, at the latest after the shortest of all limits, and then looks again. No phase can pass its limit
unseen, because no limit is shorter than the time between two looks.
"""

from typing import Literal, TypeAlias

from stagedoor._door.limits import DoorLimits, idle_allowance

__all__ = ["ConnectionTimeouts", "Phase", "Verdict"]

# head: a request's head is awaited or under way. idle: between requests. body: a body is under way.
# ours: the next move is ours, or the transport's. over: a last answer is out, and what the client sends is dropped.
Phase: TypeAlias = Literal["head", "idle", "body", "ours", "over"]
Verdict: TypeAlias = Literal["wait", "head_late", "body_late", "close", "abort"]


class ConnectionTimeouts:
    """What the peer has done by when; `look` decides."""

    __slots__ = ("_arrived", "_drained", "_drained_since", "_last", "_limits", "_since", "phase", "written")

    def __init__(self, limits: DoorLimits, now: float) -> None:
        self.phase: Phase = "head"
        self.written = 0
        self._limits = limits
        self._since = self._last = self._drained_since = now
        self._arrived = 0
        self._drained = 0

    def enter(self, phase: Phase, now: float) -> None:
        """Begin a phase."""
        self.phase = phase
        self._since = self._last = now
        self._arrived = 0

    def octets(self, count: int, now: float) -> None:
        """Note that a part of a body arrived."""
        self._arrived += count
        self._last = now

    def look(self, now: float, *, load: float, reading: bool, buffered: int) -> tuple[Verdict, float]:
        """Return what is to be done, and in how many seconds to look again.

        `load` is the process's (O3), `reading` false while the peer is not to send, `buffered` what waits to be
        written.
        """
        if self._takes_too_slowly(now, buffered):
            return "abort", 0.0
        verdict, left = (
            self._judge_end(now, buffered) if self.phase == "over" else self._judge(now, load, reading)
        )
        # Rounding of the loop's clock must not make it spin.
        return verdict, min(max(left, 0.001), self._limits.shortest)

    def _judge(self, now: float, load: float, reading: bool) -> tuple[Verdict, float]:
        limits = self._limits
        if self.phase == "head":
            left = self._since + limits.head_timeout - now
            return ("head_late" if left <= 0.0 else "wait"), left
        if self.phase == "idle":
            left = self._since + idle_allowance(limits.idle_timeout, limits.idle_floor, load) - now
            return ("close" if left <= 0.0 else "wait"), left
        if self.phase == "body":
            return self._judge_body(now, reading)
        return "wait", limits.shortest

    def _judge_end(self, now: float, buffered: int) -> tuple[Verdict, float]:
        """Linger from the moment when nothing of the answer was left to be taken."""
        if buffered:
            self._since = now
        left = self._since + self._limits.linger - now
        return ("abort" if left <= 0.0 else "wait"), left

    def _judge_body(self, now: float, reading: bool) -> tuple[Verdict, float]:
        """Ask for an octet in each limit's time, and for the floor in each window of that length (T13)."""
        limits = self._limits
        if not reading:  # it is the application that takes its time
            self.enter("body", now)
        silence = self._last + limits.body_timeout - now
        window = self._since + limits.body_timeout - now
        if silence <= 0.0 or (window <= 0.0 and self._arrived < limits.body_floor):
            return "body_late", 0.0
        if window <= 0.0:
            self._since, self._arrived, window = now, 0, limits.body_timeout
        return "wait", min(silence, window)

    def _takes_too_slowly(self, now: float, buffered: int) -> bool:
        """Tell whether a window has passed in which the peer took less than the floor of what waits for it."""
        drained = self.written - buffered
        if buffered and now - self._drained_since < self._limits.write_timeout:
            return False
        slow = bool(buffered) and drained - self._drained < self._limits.write_floor
        self._drained, self._drained_since = drained, now
        return slow
