-- A fresh path for every request: wrk -s fresh.lua URL -- PREFIX, where the path is PREFIX and a count.
-- Ends with one line of JSON, which bench/load.py reads.

local prefix, suffix, count

function init(args)
  prefix = "GET " .. args[1]
  suffix = " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\nAccept: application/json\r\n\r\n"
  count = 0
end

function request()
  count = count + 1
  return prefix .. count .. suffix
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d,"late":%d,"bytes":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout, summary.bytes))
end
