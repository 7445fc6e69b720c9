-- Driven by scripts/sqlbench/filled.py: wrk -s fill.lua URL -- PATH FIRST
-- Each call has an idempotency key of its own, so that it is kept when it is completed.
local number = 0
local path = "/"

function init(args)
  path, number = args[1], tonumber(args[2])
end

function request()
  number = number + 1
  return wrk.format("POST", path, { ["Content-Type"] = "application/json", ["idempotency-key"] = "n" .. number }, '"x"')
end
