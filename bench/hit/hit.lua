-- The same request each time, or one whose head is like no other: wrk -s hit.lua URL -- PATH [unlike | LINE ...]
-- Ends with one line of JSON, which bench/load.py reads.

local fixed, path, host, count, salt

local function head(lines)
  return "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\nAccept: application/json\r\n" .. lines .. "\r\n"
end

function init(args)
  path, host, count = args[1], wrk.host .. ":" .. wrk.port, 0
  math.randomseed(os.time())
  salt = string.format("%08x", math.random(0, 0x7fffffff))
  local lines = {}
  for at = 2, #args do
    lines[#lines + 1] = args[at] .. "\r\n"
  end
  if args[2] ~= "unlike" then
    fixed = head(table.concat(lines))
  end
end

function request()
  if fixed then
    return fixed
  end
  count = count + 1
  return head(string.format(
    "X-Request-ID: %s-%012x\r\nX-Forwarded-For: 10.%d.%d.%d\r\nCookie: seen=%d; theme=%s\r\n"
    .. "Traceparent: 00-%s%s%016x-%016x-01\r\n",
    salt, count, count % 251, count % 241, count % 239, count, salt, salt, salt, count, count + 1))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d,"late":%d,"bytes":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout, summary.bytes))
end
