"""Never more requests of one client than the limit in any window of time (T17).

Time is cut into buckets, and a client's requests are counted by bucket. A request counts until the bucket it fell
into has left the window whole, so that no window, wherever it begins, holds more than the limit; the price is that a
place is given back up to one bucket late. Clients that have been quiet for a window weigh nothing, and the table of
clients is bounded: when it is full the one that asked least recently is forgotten.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil

from stagedoor.clock import Clock
from stagedoor.errors import ConfigError
from stagedoor.requests import Headers
from stagedoor.value import value

__all__ = ["Allowance", "Quota", "Throttle", "client_key"]

_BUCKETS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many `requests` in any `seconds`; `name` is how clients read it."""

    requests: int
    seconds: int
    name: str = "default"

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds < 1:
            raise ConfigError(f"Quota {self.name}: requests and seconds must be 1 or more")


@value()
class Allowance:
    """What one request was told: may it pass, how many more may, and in how many seconds a place comes free."""

    allowed: bool
    remaining: int
    reset: int

    def fields(self, quota: Quota) -> Headers:
        """Return `RateLimit-Policy` and `RateLimit` (structured fields, H11)."""
        name = quota.name.encode()
        return (
            (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name, quota.requests, quota.seconds)),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (name, self.remaining, self.reset)),
        )


class _Client:
    """The requests of one client that still count, by bucket, oldest first."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets: deque[list[int]] = deque()  # [number of the bucket, requests in it]
        self.total = 0


class Throttle:
    """The clients of this process and what they asked lately."""

    def __init__(self, quota: Quota, clock: Clock, *, most_clients: int = 100_000) -> None:
        self.quota = quota
        self._now = clock.now
        self._width = quota.seconds / _BUCKETS
        self._most = most_clients
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    def take(self, key: str) -> Allowance:
        """Count a request of a client, unless it has none left."""
        now = self._now()
        bucket = int(now // self._width)
        client = self._client(key)
        while client.buckets and client.buckets[0][0] < bucket - _BUCKETS:
            client.total -= client.buckets.popleft()[1]
        allowed = client.total < self.quota.requests
        if allowed:
            client.total += 1
            if client.buckets and client.buckets[-1][0] == bucket:
                client.buckets[-1][1] += 1
            else:
                client.buckets.append([bucket, 1])
        return Allowance(allowed, self.quota.requests - client.total, self._reset(client, now))

    def _client(self, key: str) -> _Client:
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client()
            if len(self._clients) > self._most:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(key)
        return client

    def _reset(self, client: _Client, now: float) -> int:
        """Return the whole seconds until the oldest bucket that counts has left the window."""
        leaves = (client.buckets[0][0] + _BUCKETS + 1) * self._width
        return max(1, ceil(leaves - now))

    def __repr__(self) -> str:
        return f"<Throttle {self.quota.requests}/{self.quota.seconds} s, {len(self._clients)} clients>"


def client_key(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"
