"""How many calls a service is given at once: a limit that follows what it answers in time. Pure: no clock, no await.

The theory is Little's law: calls under way = calls per second x seconds per call. Below what a service carries, more
calls under way mean more answers; above it they only wait there, and every call takes longer. So the time that calls
take tells on which side one is, without a word from the service:

    limit' = limit x clamp(in time / measured, 1/2, 1) + headroom

This is the gradient of Netflix' concurrency-limits (`Gradient2Limit`; its headroom is there called queue size) and of
Envoy's adaptive concurrency filter, which go back to TCP Vegas (Brakmo and Peterson, 1995): slow down because of delay,
before anything is lost. Ours differs where theirs fail in a gateway with time-outs:

- "In time" is a third of what an attempt may take, or `TOLERANCE` times what a call takes where nobody queues, if that
  is longer. The fixed factors of the references (1.5 x the long-term time, 1.25 x the least) let a service of 50 ms
  come to 76 ms or more under an attempt of 80 ms; and they throttle a fast service whenever this process itself is
  slow to read its answers.
- The time without a queue is an average of windows in which less than half of the limit was used, since the least of
  all times (Vegas) says little of a service whose calls differ. Where load is high for long, the limit dips now and
  then for a moment to measure it again (ProbeRTT of BBR; Cardwell et al., 2016), but only where it matters.
- A time-out counts as a call that took that long, and a window of time-outs halves the limit at once.
- What falls though nothing more was tried is taken for a pause of the service (it collects its garbage, or has not got
  its processor): the way back is short and begins at once. A limit that came back slowly would be at its least for as
  long as there is a pause every other second.
- A fall is a measurement too: where a quarter less under way leaves calls as slow as they were, they do not wait for
  one another there, and the time without a queue has become longer.
- A call that is not answered although nearly nothing else is under way says nothing of how many may be: so ask the
  probes of a breaker. And where nothing at all was answered meanwhile, the first answer ends it: the service did not
  queue, it was away. What was lost then is forgotten, and what a call takes is what it took before. That is so once:
  a service that is silent because it drowns is silent again at once, and then its silence counts.
- It begins small and doubles while calls are in time, as it does on its way back (slow start, RFC 5681 3.1).
"""

import math
from typing import Final

__all__ = ["Gradient", "moved"]

TOLERANCE: Final = 1.15
_HEADROOM: Final = 0.05  # of the limit, and half a call at least: what it tries above what was in time
_SHORTEST: Final = 0.01  # seconds of a window, and never shorter than a call
_ENOUGH: Final = 50  # calls in a window; fewer where fewer are let out
_FULL: Final = 0.8  # of the limit in use on average: more is wanted
_HALF: Final = 0.5  # less of it in use: nobody queues, and the limit is forgotten a little with each window
_FORGET: Final = 0.97
_LEARN: Final = 0.2  # the weight of a new measurement of the time without a queue
_HINT: Final = 0.1  # the weight of a call that was cut short: it is no measurement, but there may be no other
_CLEARLY: Final = 0.9  # of that time: what was measured before had a queue in it
_REMEASURE: Final = 5.0  # seconds under load after which that time is doubted, at least ...
_AND_CALLS: Final = 50.0  # ... and so many times as long as a call takes
# Seconds before that for the first time: it comes of few calls, and may be too short by luck.
_FIRST: Final = 2.0
_FIRST_CALLS: Final = 60.0
_DIP: Final = 0.7  # of the limit, while it is measured
_UNDELAYED: Final = 1.05  # times the time without a queue: as good as none
_PLATEAU: Final = (
    0.5  # seconds for which what was tried and was late is not tried again (CUBIC, RFC 9438 4.3)
)
_PAUSE: Final = 0.25  # the same after a fall that was not of our making
_KEPT: Final = 0.85  # of the limit before such a fall: so far the way back is short
_COLLAPSE: Final = 0.5  # of a window's calls lost: more is no matter of a few calls too many
_ALONE: Final = 1.5  # calls under way on average, and less: they did not wait for one another
_LESS: Final = 0.75  # of the places at which a fall began: if calls take ...
_AS_SLOW: Final = 0.9  # ... as long as there, they do not wait for one another
_BOLD: Final = 1.25  # how it grows where no delay is seen, until calls were late for the first time


def moved(
    limit: float,
    in_time: float,
    measured: float,
    *,
    headroom: float,
    smoothing: float = 1.0,
    steepest: float = 1.0,
) -> float:
    """Return the next limit by the gradient; times are seconds.

    With `in_time` 1.25 x the least time, headroom the root of the limit and `steepest` 2 it is Envoy's rule (O1); with
    1.5 x the long-term time, headroom 4 and smoothing 0.2 that of concurrency-limits (O2).
    """
    gradient = max(0.5, min(steepest, in_time / measured)) if measured > 0 else steepest
    return limit * (1 - smoothing) + smoothing * (limit * gradient + headroom)


def _step(limit: float) -> float:
    return max(0.5, _HEADROOM * limit)


class Gradient:
    """The limit of one service: told how each call ended, it says how many may be under way (`places`).

    `target` is the seconds in which a call is always in time, however fast the service could be. `rtt` is what calls
    took of late, 0 before anything is known.
    """

    __slots__ = (
        "_anew", "_answered", "_base", "_before", "_begun", "_count", "_doubted", "_dropped", "_due", "_falling",
        "_from", "_known", "_least", "_load", "_most", "_patient", "_remeasured", "_settling", "_silent", "_start",
        "_sum", "_target", "_tried", "_unheard", "_wanted", "limit", "places", "rtt",
    )  # fmt: skip

    def __init__(self, *, target: float, most: int, least: int = 1, start: int = 10) -> None:
        self._target = target
        self._most = float(most)
        self._least = float(least)
        self._start = float(max(least, min(start, most)))
        self.limit = self._start
        self.places = int(self.limit)  # the limit, or less while it dips
        self.rtt = 0.0
        self._base = 0.0  # seconds of a call where nobody queues; 0: not known yet
        self._known = self.limit  # up to here calls were in time
        self._patient = -math.inf  # until when no more is tried
        self._before = 0  # the places of the window before
        self._falling = False  # the last window lowered it
        self._from = (0, 0.0)  # the places, and the seconds of a call, from which it falls
        self._tried = False  # the last window raised it above what was known to be in time
        self._settling = False  # it dips
        self._remeasured = False  # the base comes of a dip, and not of the first few calls
        self._doubted = math.inf  # when the base is measured again
        self._anew = False  # it began again after a silence, and no window has been in time since
        self._answered = -math.inf  # when a call was answered last
        self._silent = False  # nothing was answered while the calls of the window before were under way
        self._begin(-math.inf, 0.0)

    def ended(self, now: float, began: float, under_way: int, *, dropped: bool = False) -> None:
        """Count a call that ended while so many, itself included, were under way.

        `dropped` says that the service did not answer.
        """
        if not dropped:
            self._answered = now
        if began < self._begun:  # under another limit
            return
        if dropped:
            self._dropped += 1
            self._unheard += began >= self._answered
        elif not self._anew and (self._silent or (self._unheard and self._is_silent())):
            self._answered_again(now, now - began)
            return
        self._load += under_way
        self._count += 1
        self._sum += now - began
        if now >= self._due and self._count >= self._wanted:
            self._close(now)

    def cut_short(self, seconds: float) -> None:
        """Learn that a call would have taken longer than it had.

        That says nothing of the limit, but of the wait for it: were it forgotten, all who wait could come too late for
        ever, each with too little time left to say so.
        """
        if seconds > self.rtt:
            self.rtt += _HINT * (seconds - self.rtt)

    def _is_silent(self) -> bool:
        """Tell whether half of a window has gone by, and nothing was answered while its calls were under way."""
        return self._unheard == self._count and 2 * self._count >= self._wanted

    def _answered_again(self, now: float, seconds: float) -> None:
        """Begin again after a time in which nothing was answered.

        What the first answer took tells little: the rest of that time is in it.
        """
        self._silent, self._settling, self._anew = False, False, True
        self.rtt = self._base or seconds
        self.places = int(self.limit)
        self._begin(now, self.rtt)

    def _begin(self, now: float, seconds: float) -> None:
        self._begun = now
        self._due = now + max(_SHORTEST, seconds)
        self._wanted = max(2, min(_ENOUGH, self.places))
        self._count = self._dropped = self._unheard = self._load = 0
        self._sum = 0.0

    def _close(self, now: float) -> None:
        """Learn from a window, and begin the next."""
        mean, used = self._sum / self._count, self._load / (self._count * self.places)
        self._silent = self._unheard == self._count
        if self._dropped and self._load < _ALONE * self._count:  # fewer would have fared no better
            self._begin(now, mean)
            return
        self.rtt = (self.rtt + mean) / 2 if self.rtt else mean
        if self._settling:
            self._settling, self._doubted, self._remeasured = False, math.inf, True
            if not self._dropped:
                self._base = mean
        else:
            self._learn(mean, used)
            self._adjust(now, mean, used)
            self._doubt(now, mean, used)
        self._before = self.places
        self.places = int(max(self._least, self.limit * _DIP if self._settling else self.limit))
        self._begin(now, mean)

    def _learn(self, mean: float, used: float) -> None:
        """Follow the time without a queue: downwards always, upwards where there can be none."""
        if self._dropped:
            return
        if not self._base or mean < _CLEARLY * self._base:
            self._base = mean if not self._base else (self._base + mean) / 2
        elif mean < self._base or used < _HALF:
            self._base += _LEARN * (mean - self._base)

    def _adjust(self, now: float, mean: float, used: float) -> None:
        lost = self._dropped / self._count
        if mean > self.in_time or lost:
            if self._has_become_slower(mean, lost):
                self._base, self._falling = mean, False
                self.limit = max(self.limit, self._known)
            else:
                self._lower(now, mean, lost)
        else:
            self._falling = self._tried = self._anew = False
            if used >= _FULL:
                self._raise(now, mean)
            elif used < _HALF and self.limit > self._start:
                # What nobody needs would let a storm in before anything is learned of it.
                self.limit = max(self._start, self.limit * _FORGET)
                self._known = max(self.limit, self._known * _FORGET)

    def _has_become_slower(self, mean: float, lost: float) -> bool:
        """Tell whether calls are as slow as they were with more under way, in the window before this one too."""
        places, seconds = self._from
        if not self._falling or mean < _AS_SLOW * seconds:
            self._from = (self.places, mean)
            return False
        return not lost and self._before <= _LESS * places

    def _lower(self, now: float, mean: float, lost: float) -> None:
        limit = self.limit
        lower = moved(limit, self.in_time, mean, headroom=_step(limit))
        self.limit = max(self._least, min(lower, limit * max(0.5, 1 - lost)))
        if self._tried and lost <= _COLLAPSE:
            self._known, self._patient = self.limit, now + _PLATEAU
        elif not self._falling:
            self._known = max(self.limit, _KEPT * limit)
            self._patient = max(self._patient, now + _PAUSE)
        self._falling, self._tried = True, False

    def _raise(self, now: float, mean: float) -> None:
        known = self._known
        self.limit = min(self._most, self._grown(now, mean))
        self._known = max(known, self.limit)
        self._tried = self.limit > known and 2 * mean >= self.in_time

    def _grown(self, now: float, mean: float) -> float:
        """Return a higher limit: quickly where calls are far from late, or on known ground; else with care."""
        limit = self.limit
        if 2 * mean < self.in_time:
            return 2 * limit
        if limit < self._known:
            return min(2 * limit, self._known)
        if now < self._patient or mean > max(_UNDELAYED * self._base, self._target):
            return limit
        return limit * _BOLD if self._patient == -math.inf else limit + 2 * _step(limit)

    @property
    def in_time(self) -> float:
        """Return the seconds up to which a call is not late."""
        return max(self._target, TOLERANCE * self._base)

    def _doubt(self, now: float, mean: float, used: float) -> None:
        """Begin a dip where the base decides, and has not been seen for long."""
        if used < _HALF or self._base * TOLERANCE <= self._target:
            self._doubted = math.inf
        elif self._doubted == math.inf:
            again = max(_REMEASURE, _AND_CALLS * mean)
            self._doubted = now + (again if self._remeasured else max(_FIRST, _FIRST_CALLS * mean))
        elif now >= self._doubted:
            self._settling = True

    def __repr__(self) -> str:
        return f"<Gradient {self.places} at once, {self.rtt * 1000:.1f} ms of {self.in_time * 1000:.1f}>"
