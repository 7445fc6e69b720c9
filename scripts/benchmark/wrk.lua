-- Driven by scripts/benchmark/load.py:
--   wrk -s wrk.lua URL -- PATH BODY KEYS BYTES       PATH may hold {key}: then each call takes one of KEYS keys at random
-- BYTES above 0: the body is a JSON string of so many bytes, too long for an argument, that hardly compresses: what a
-- runtime saves by compression is otherwise a question about the letter x.
-- All requests are made before the load begins, so that the client costs as little as it can.
local requests = {}
local count = 1

local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function noise(bytes)
  local parts = {}
  while bytes > 0 do
    local part = {}
    for i = 1, math.min(bytes, 1000) do
      local at = math.random(64)
      part[i] = letters:sub(at, at)
    end
    bytes = bytes - #part
    parts[#parts + 1] = table.concat(part)
  end
  return table.concat(parts)
end

function init(args)
  local path, body, keys = args[1], args[2], tonumber(args[3])
  local bytes = tonumber(args[4])
  if bytes > 0 then body = '"' .. noise(bytes - 2) .. '"' end
  local headers = { ["Content-Type"] = "application/json" }
  count = math.max(1, keys)
  for key = 1, count do
    requests[key] = wrk.format("POST", (path:gsub("{key}", "key-" .. key)), headers, body)
  end
  math.randomseed(4711)
end

function request()
  return requests[count == 1 and 1 or math.random(count)]
end

-- Latencies in microseconds. wrk adds, for a call that took long, the calls that a steady client would have made
-- meanwhile; it does so for whatever it measures.
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, "status": %d, ' ..
    '"connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, errors.status,
    errors.connect, errors.read, errors.write, errors.timeout))
end
