"""What a shared store does inside Redis: four scripts over one log of purges, and what their answers may look like.

Nobody else should write under our prefix, and somebody will. A log that is none of ours (another type, a newest number
that is no whole number or lies beyond any moment that a clock or a purge could have brought) is thrown away by the
two scripts that write it, and everything is purged: that costs misses, where to believe it would end the cache. What a
script answers is judged before it is used: see `invalidations_of`.
"""

import math
from contextlib import suppress
from typing import Any, Final, TypeGuard

from stagedoor._cache.server import Invalidations, StoreGarbled

__all__ = ["NEWS", "PURGE", "READ", "WITHOUT", "WRITE", "invalidations_of"]

_BEYOND: Final = 315_360_000_000_000  # microseconds; ten years
_MOST_BYTES: Final = 16 * 2**20  # of one entry; a larger one is not worth the way
WITHOUT: Final = 4  # fields of an answer that brings no entry, or stored none

_COMMON: Final = """
local log, heard = KEYS[1], tonumber(ARGV[1])
local function top() return redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES') end
local function number() return tonumber(top()[2] or 0) end
local function answer()
    local newest, names, time = number(), {}, redis.call('TIME')
    if newest > heard then names = redis.call('ZRANGEBYSCORE', log, '(' .. ARGV[1], '+inf', 'WITHSCORES') end
    return {string.format('%.0f', newest), time[1], time[2], names}
end
local function purge(name, mark) redis.call('ZADD', log, 'GT', string.format('%.0f', mark), name) end
local function mark()
    local time = redis.call('TIME')
    return math.max(number() + 1, heard + 1, time[1] * 1000000 + time[2])
end
"""
# `run` names this run of this server. A log that does not know it was carried here, by a copy on disk or by a server
# that died, and its newest purges may be missing; so they may where the asker comes from another server than this one.
_MEND: Final = f"""
local function ours()
    local kind = redis.call('TYPE', log)['ok']
    if kind ~= 'zset' then return kind == 'none' end
    local newest, time = number(), redis.call('TIME')
    local most = math.max(heard, time[1] * 1000000 + time[2]) + {_BEYOND}
    return newest >= 0 and newest % 1 == 0 and newest <= most
end
local told = redis.pcall('INFO', 'server')
local run = type(told) == 'string' and string.match(told, 'run_id:(%w+)')
run = run and '@' .. run
local function lacks(from)
    if number() < math.max(heard, 1) then return true end
    if not run then return false end
    if not redis.call('ZSCORE', log, run) then return true end
    return from ~= '' and from ~= run and tonumber(redis.call('ZSCORE', log, '') or 0) <= heard
end
local function mend(from)
    if not ours() then redis.call('DEL', log) end
    if lacks(from) then
        local at = mark()
        redis.call('DEL', log)
        purge('', at)
        if run then purge(run, at) end
    end
end
"""
READ: Final = (
    _COMMON
    + f"""
local out, size = answer(), redis.pcall('STRLEN', KEYS[2])
local data = type(size) == 'number' and size <= {_MOST_BYTES} and redis.pcall('GET', KEYS[2])
if type(data) == 'string' then
    out[5] = data
    out[6] = redis.call('PTTL', KEYS[2])
end
return out
"""
)
WRITE: Final = (
    _COMMON
    + """
local out = answer()
if number() ~= heard then return out end
local head = redis.pcall('GETRANGE', KEYS[2], 0, 19)
local born = type(head) == 'string' and string.sub(head, 1, 4) == 'SD1 ' and tonumber(string.sub(head, 5))
local now = out[2] * 1000 + out[3] / 1000
if born and born <= now and now - born < tonumber(ARGV[5]) then
    out[5] = redis.call('GET', KEYS[2])
    out[6] = redis.call('PTTL', KEYS[2])
    return out
end
if not born or born <= tonumber(ARGV[4]) or born > now then
    redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[3])
end
out[5] = 1
return out
"""
)
PURGE: Final = (
    _COMMON
    + _MEND
    + """
mend('')
local at = mark()
for i = 2, #ARGV do purge(ARGV[i], at) end
if run then purge(run, at) end
local over = redis.call('ZCARD', log) - 10000
if over > 0 then
    local gone = redis.call('ZPOPMIN', log, over)
    purge('', tonumber(gone[#gone]))
end
return answer()
"""
)
NEWS: Final = (
    _COMMON
    + _MEND
    + """
mend(ARGV[2])
local last, out = top(), nil
purge(run or last[1], last[2])
out = answer()
out[5] = run or ''
return out
"""
)


def invalidations_of(reply: object, heard: int) -> Invalidations:
    """Return what an answer brings; raises `StoreGarbled` unless it is one of our scripts'."""
    if not isinstance(reply, list) or len(reply) < WITHOUT or not _are_purges(reply[3]):
        raise StoreGarbled("not a reply of our scripts")
    number, clock = _whole(reply[0]), _whole(reply[1]) * 1_000_000 + _whole(reply[2])
    if not 0 <= number <= max(clock, heard) + _BEYOND or not 0 <= clock <= 2**53:
        raise StoreGarbled("a number that cannot be")
    flat = reply[3]
    return Invalidations(
        number, clock, [(name, _whole(mark)) for name, mark in zip(flat[::2], flat[1::2], strict=True)]
    )


def _are_purges(flat: Any) -> TypeGuard[list[bytes]]:  # noqa: ANN401 - whatever came
    return isinstance(flat, list) and len(flat) % 2 == 0 and all(isinstance(one, bytes) for one in flat)


def _whole(said: Any) -> int:  # noqa: ANN401 - whatever came
    """Return the whole number a score or a reply says, the next one of a fraction."""
    for read in (int, _ceiling):
        with suppress(ValueError, TypeError, OverflowError):
            return read(said)
    raise StoreGarbled("not a number")


def _ceiling(said: Any) -> int:  # noqa: ANN401 - whatever came
    return math.ceil(float(said))
