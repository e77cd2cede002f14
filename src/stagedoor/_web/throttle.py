"""Never more requests of one client than the limit in any window of time (T17).

Time is cut into buckets, and a client's requests are counted by bucket. A request counts until the bucket it fell
into has left the window whole, so that no window, wherever it begins, holds more than the limit; the price is that a
place is given back up to one bucket late.

The table of clients is bounded, and a client that has been quiet for two windows weighs nothing. It is kept in two
generations: who asks moves to the young one; with each window that passes, or when the young one has half the clients
that may be remembered, the old one is forgotten and the young one becomes old. So those are forgotten who asked least
recently, and no list has to be kept in order for it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Generic, Protocol, TypeVar

from stagedoor._cache.limit_counter import BUCKETS, TICK
from stagedoor._clock import Clock
from stagedoor._requests import Headers
from stagedoor._value import value
from stagedoor.errors import ConfigError

__all__ = ["Allowance", "Count", "Limiter", "Quota", "Quotas", "Recent", "Throttle", "passing"]

T = TypeVar("T")
_LINES = b"ratelimit-policy: %b\r\nratelimit: %b\r\n"
_NAME = re.compile(r"[a-z][a-z0-9_-]*|/[\w/.{}:~-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many `requests` in any `seconds`; `name` is how clients read it: a word, or the path of a route."""

    requests: int
    seconds: int
    name: str = "default"
    _policy: tuple[bytes, bytes] = field(init=False, repr=False, compare=False)
    _form: bytes = field(init=False, repr=False, compare=False)
    _lines: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds < 1:
            raise ConfigError(f"Quota {self.name}: requests and seconds must be 1 or more")
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"Quota {self.name}: the name must be a lower-case word, or a path")
        name = self.name.encode()
        said = b'"%b";q=%d;w=%d' % (name, self.requests, self.seconds)
        object.__setattr__(self, "_policy", (b"ratelimit-policy", said))
        object.__setattr__(self, "_form", b'"%b";r=%%d;t=%%d' % name)
        object.__setattr__(self, "_lines", _LINES % (said, self._form))

    def fields(self, remaining: int, reset: int) -> Headers:
        """Return `RateLimit-Policy` and `RateLimit` (structured fields, H11).

        `t` is at most the window, as clients expect; a place that comes free up to a bucket later is for
        `Retry-After` to tell, which may be the later of the two.
        """
        return (self._policy, (b"ratelimit", self._form % (remaining, min(reset, self.seconds))))

    def lines(self, remaining: int, reset: int) -> bytes:
        """Return both as lines of a head."""
        return self._lines % (remaining, min(reset, self.seconds))


@value()
class Allowance:
    """What one request was told: may it pass, how many more may, and in how many seconds a place comes free."""

    allowed: bool
    remaining: int
    reset: int


class Limiter(Protocol):
    """Who counts the requests of clients and says which may pass."""

    quota: Quota

    def refusal(self, key: str, /) -> Allowance | None:
        """Return what a client would be refused with now, as far as is known here; None if it may have a place."""
        ...

    def take(self, key: str, /) -> Allowance | None:
        """Count a request of a client, unless it has none left; None: only `ask` can tell."""
        ...

    async def ask(self, key: str, /) -> Allowance:
        """Do the same, and take the time to find out."""
        ...

    async def start(self) -> None:
        """Begin what goes on in the background."""

    async def aclose(self) -> None:
        """End it."""


class Count:
    """The requests of one client that still count."""

    __slots__ = ("_pairs", "total")

    def __init__(self) -> None:
        self._pairs: list[int] = []  # the number of a bucket, the requests in it; oldest first
        self.total = 0

    def roll(self, bucket: int) -> int:
        """Forget what has left the window that ends with a bucket, and return how many still count."""
        pairs = self._pairs
        while pairs and pairs[0] < bucket - BUCKETS:
            self.total -= pairs[1]
            del pairs[:2]
        return self.total

    def add(self, bucket: int) -> None:
        """Count one request."""
        pairs = self._pairs
        self.total += 1
        if pairs and pairs[-2] == bucket:
            pairs[-1] += 1
        else:
            pairs += (bucket, 1)

    def leaves(self, bucket: int) -> int:
        """Return the bucket with which the oldest one that counts has left; `bucket` is the present one."""
        return (self._pairs[0] if self._pairs else bucket) + BUCKETS + 1


class Recent(Generic[T]):
    """What is remembered of at most `most` clients; who is quiet for `seconds` may be forgotten."""

    def __init__(self, make: Callable[[], T], *, most: int, seconds: float) -> None:
        self._make = make
        self._half = max(1, most // 2)
        self._seconds = seconds
        self._turn = float("-inf")
        self._young: dict[str, T] = {}
        self._old: dict[str, T] = {}

    def of(self, key: str, now: float) -> T:
        """Return what is remembered of a client, or begin to."""
        if now >= self._turn:
            self._age(now)
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None) or self._make()
            if len(self._young) >= self._half:
                self._age(now)
            self._young[key] = found
        return found

    def _age(self, now: float) -> None:
        self._turn = now + self._seconds
        self._old, self._young = self._young, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


class Throttle:
    """The clients of this process and what they asked lately; at most `most_clients` of them are remembered.

    The half of them who asked last are remembered for certain; one who was forgotten in a flood of others begins anew.
    """

    def __init__(self, quota: Quota, clock: Clock, *, most_clients: int = 200_000) -> None:
        self.quota = quota
        self._now = clock.now
        self._width = width = quota.seconds / BUCKETS
        self._counts = Recent(Count, most=most_clients, seconds=quota.seconds + 2 * width)

    def take(self, key: str, /) -> Allowance:
        """Count a request of a client, unless it has none left."""
        now = self._now()
        bucket = int((now + TICK) // self._width)
        count = self._counts.of(key, now)
        allowed = count.roll(bucket) < self.quota.requests
        if allowed:
            count.add(bucket)
        reset = ceil(count.leaves(bucket) * self._width - now)
        return Allowance(allowed, self.quota.requests - count.total, max(1, reset))

    def refusal(self, key: str, /) -> Allowance | None:
        """Return what a client would be refused with now."""
        now = self._now()
        bucket = int((now + TICK) // self._width)
        count = self._counts.of(key, now)
        if count.roll(bucket) < self.quota.requests:
            return None
        return Allowance(False, 0, max(1, ceil(count.leaves(bucket) * self._width - now)))

    def pass_at_once(self, key: str, /) -> bytes | None:
        """Count a request and return its lines; None, and nothing counted, where it may not pass."""
        now = self._now()
        bucket = int((now + TICK) // self._width)
        count = self._counts.of(key, now)
        left = self.quota.requests - count.roll(bucket)
        if left < 1:
            return None
        count.add(bucket)
        return self.quota.lines(left - 1, max(1, ceil(count.leaves(bucket) * self._width - now)))

    async def ask(self, key: str, /) -> Allowance:
        """Do the same: a process that is alone knows at once."""
        return self.take(key)

    async def start(self) -> None:
        """Begin nothing: all is done as requests come."""

    async def aclose(self) -> None:
        """Hold nothing."""

    def __repr__(self) -> str:
        return f"<Throttle {self.quota.requests}/{self.quota.seconds} s, {len(self._counts)} clients>"


class Quotas:
    """Several quotas that count one request: it passes if all have a place for it, and else takes none.

    Asked in the order given, so that the narrowest stands first: whoever comes to its end eats nothing of the others.
    """

    def __init__(self, *limiters: Limiter) -> None:
        self._limiters = limiters
        self._ours = all(isinstance(one, Throttle) for one in limiters)

    async def take(self, key: str) -> tuple[Headers, int]:
        """Count a request; return the fields of the quotas that decided, and the seconds to wait, 0 if it may pass."""
        told = [(one.quota, refusal) for one in self._limiters if (refusal := one.refusal(key)) is not None]
        if not told:
            for limiter in self._limiters:
                allowance = limiter.take(key) or await limiter.ask(key)
                if not allowance.allowed:  # somebody else has taken the place meanwhile
                    told = [(limiter.quota, allowance)]
                    break
                told.append((limiter.quota, allowance))
        waits = [allowance.reset for _, allowance in told if not allowance.allowed]
        return _together(told), max(waits, default=0)

    def pass_at_once(self, key: str) -> bytes | None:
        """Count a request that may pass and return its lines; None, and nothing counted, where that is not certain.

        A limit that others share may have to ask them, when those before it have counted already.
        """
        if not self._ours or any(one.refusal(key) is not None for one in self._limiters):
            return None
        told = [(one.quota, allowance) for one in self._limiters if (allowance := one.take(key)) is not None]
        (_, policies), (_, left) = _together(told)
        return _LINES % (policies, left)

    def __repr__(self) -> str:
        return f"<Quotas {', '.join(one.quota.name for one in self._limiters)}>"


def passing(limiter: Limiter) -> Callable[[str], bytes | None]:
    """Return what counts a request that may pass, and returns its lines.

    It returns None, and counts nothing, where that is not certain.
    """
    return limiter.pass_at_once if isinstance(limiter, Throttle) else partial(_pass_at_once, limiter)


def _pass_at_once(limiter: Limiter, key: str) -> bytes | None:
    allowance = limiter.take(key)
    if allowance is None or not allowance.allowed:
        return None
    return limiter.quota.lines(allowance.remaining, allowance.reset)


def _together(told: Sequence[tuple[Quota, Allowance]]) -> Headers:
    """Return both fields with one member of each quota."""
    members = [quota.fields(allowance.remaining, allowance.reset) for quota, allowance in told]
    return tuple((lines[0][0], b", ".join(said for _, said in lines)) for lines in zip(*members, strict=True))
