"""Redis, or Valkey, as the server that counts for a throttle of several processes.

A client's requests lie in a hash, bucket by bucket, that expires when all have left the window. Buckets are those of
the server's clock, so processes whose clocks differ agree. A step of that clock back leaves buckets of the future,
which are dropped: it costs what was counted, and shuts nobody out. Processes lie in a sorted set by when they last
asked. What somebody else has put there instead (another type, a count that is none) is dropped in the same way.
"""

from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Final, Protocol, TypeGuard

from stagedoor._cache.limit_counter import BUCKETS, ClientCount, SharedLimit
from stagedoor._cache.server import StoreDown, StoreGarbled

__all__ = ["Commands", "RedisLimitCounter"]

_SETTLE: Final = """
local me, requests, seconds, reserve = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local buckets, want = tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local width = seconds / buckets
local bucket = math.floor(now / width)
if type(redis.pcall('ZADD', KEYS[1], now, me)) == 'table' then
    redis.call('DEL', KEYS[1])
    redis.call('ZADD', KEYS[1], now, me)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 10)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 1, '+inf')
redis.call('EXPIRE', KEYS[1], 60)
local processes = redis.call('ZCARD', KEYS[1])
local most = requests - (processes - 1) * math.floor(reserve / processes)
local out = {processes}
for i = 2, #KEYS do
    local counts, total, known, ats = redis.pcall('HGETALL', KEYS[i]), 0, {}, {}
    if counts['err'] then
        redis.call('DEL', KEYS[i])
        counts = {}
    end
    for j = 1, #counts, 2 do
        local at, count = tonumber(counts[j]), tonumber(counts[j + 1])
        local counts_here = at and at % 1 == 0 and at >= bucket - buckets and at <= bucket
        if counts_here and count and count % 1 == 0 and count >= 0 and count <= 1e9 then
            total = total + count
            known[at] = count
            ats[#ats + 1] = at
        else
            redis.call('HDEL', KEYS[i], counts[j])
        end
    end
    local more, granted = tonumber(ARGV[5 + i]), 0
    if want == 1 and total + more < most then granted = 1 end
    more = more + granted
    if more > 0 then
        local field = string.format('%.0f', bucket)
        if type(redis.pcall('HINCRBY', KEYS[i], field, more)) == 'table' then
            redis.call('HSET', KEYS[i], field, more)
        end
        redis.call('PEXPIRE', KEYS[i], math.ceil((seconds + 2 * width) * 1000))
        if not known[bucket] then ats[#ats + 1] = bucket end
        known[bucket] = (known[bucket] or 0) + more
    end
    table.sort(ats)
    local left, last = total + more, bucket
    for j = 1, #ats do
        last = ats[j]
        left = left - known[last]
        if left < most then break end
    end
    out[#out + 1] = granted
    out[#out + 1] = total + more
    out[#out + 1] = math.ceil(((last + buckets + 1) * width - now) * 1000)
end
return out
"""
_DIGEST: Final = sha1(_SETTLE.encode(), usedforsecurity=False).hexdigest()  # how EVALSHA names it


class Commands(Protocol):
    """A connection to Redis, such as `RedisServer`."""

    async def command(self, *words: bytes | str | int) -> Any:  # noqa: ANN401 - depends on the command
        """Send a command and return its reply; raises `StoreDown`."""


class RedisLimitCounter:
    """A `LimitCounter` on a connection that somebody else opens and watches.

    The count of a client lies under `prefix#rate:seconds:client`. `member` names this process among the others that
    use the same prefix, and must be its own; `name` sets the counts of one quota apart from those of others.
    """

    def __init__(
        self, server: Commands, /, *, prefix: str = "stagedoor", member: str, name: str = ""
    ) -> None:
        self._server = server
        self._prefix = f"{prefix}#rate:"
        self._name = name
        self._member = member

    async def sync(
        self, spent: Mapping[str, int], terms: SharedLimit, /, *, want: bool = False
    ) -> tuple[int, list[ClientCount]]:
        room = f"{self._prefix}{self._name}{terms.seconds}:"
        keys = (f"{self._prefix}processes", *(room + key for key in spent))
        asked = (self._member, terms.requests, terms.seconds, terms.reserve, BUCKETS, int(want))
        words: tuple[str | int, ...] = (len(keys), *keys, *asked, *spent.values())
        try:
            reply = await self._server.command("EVALSHA", _DIGEST, *words)
        except StoreDown as error:
            if str(error) != "NOSCRIPT":
                raise
            reply = await self._server.command("EVAL", _SETTLE, *words)
        if not _is_ours(reply, len(spent)):
            raise StoreGarbled("not a reply of our script")
        rows = zip(reply[1::3], reply[2::3], reply[3::3], strict=True)
        return reply[0], [ClientCount(granted == 1, total, reset / 1000) for granted, total, reset in rows]

    def __repr__(self) -> str:
        return f"<RedisLimitCounter {self._prefix}>"


def _is_ours(reply: object, clients: int) -> TypeGuard[list[int]]:
    """Tell whether a reply counts at least this process, and has three numbers for each client."""
    if not isinstance(reply, list) or len(reply) != 1 + 3 * clients:
        return False
    return all(type(one) is int and 0 <= one < 2**53 for one in reply) and reply[0] >= 1
