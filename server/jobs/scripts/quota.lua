-- Count a request of one client against its quotas, or refuse it and count nothing.
-- Keys: quota:*, unsettled, queue.
-- ARGV: client; requests in a window, 0 for any number; the window in ms; bytes in a day, 0 for any
-- number; requests that come; bytes that come; unsettled jobs, 0 for any number; jobs that come.
-- Returns JSON [{name, limit, left, reset_ms, wait_ms}, ...]; the request is refused when one of
-- them has a wait_ms. Only wait_ms of jobs is an estimate.
local DAY_MS = 86400000
local client, now = ARGV[1], now_ms()
local key = QUOTA .. client
local used = read(key) or {}
local meters, kept, longest = {}, {}, 0
local is_refused = false

-- What was used in the window that ends now: all of this turn of the clock, and of the turn before
-- it the share that the window still reaches. Two numbers, and no burst where two turns meet.
local function meter(name, limit, window, cost)
  if limit == 0 then return end
  local turn = math.floor(now / window)
  local count, before = tonumber(used[name] or 0), tonumber(used[name .. ':before'] or 0)
  local counted_in = tonumber(used[name .. ':turn'] or 0)
  if counted_in == turn - 1 then
    count, before = 0, count
  elseif counted_in ~= turn then
    count, before = 0, 0
  end
  local elapsed = now - turn * window
  local spent = count + before * (1 - elapsed / window)
  local found = { name = name, limit = limit, reset_ms = window - elapsed }
  if cost > 0 and spent + cost > limit then
    is_refused = true
    local room = limit - cost -- what may be used before there is room for this
    if room < 0 then
      found.wait_ms = found.reset_ms + window -- never, unless it comes in smaller pieces
    elseif count <= room then
      found.wait_ms = math.ceil(window * (1 - (room - count) / before) - elapsed)
    else
      found.wait_ms = math.ceil(found.reset_ms + window * (1 - room / count))
    end
    cost = 0
  end
  found.left = math.max(0, math.floor(limit - spent - cost))
  table.insert(meters, found)
  for _, part in ipairs({ name, whole(count + cost), name .. ':before', whole(before),
    name .. ':turn', whole(turn) }) do table.insert(kept, part) end
  longest = math.max(longest, window)
end

local function meter_jobs(limit, cost)
  if limit == 0 then return end
  local unsettled = tonumber(redis.call('HGET', UNSETTLED, client) or 0)
  local found = { name = 'jobs', limit = limit, left = math.max(0, limit - unsettled) }
  found.reset_ms = math.ceil(drain_ms(1))
  if cost > 0 and unsettled + cost > limit then
    is_refused = true
    found.wait_ms = found.reset_ms
  end
  table.insert(meters, found)
end

meter('requests', tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5]))
meter('bytes', tonumber(ARGV[4]), DAY_MS, tonumber(ARGV[6]))
meter_jobs(tonumber(ARGV[7]), tonumber(ARGV[8]))
if not is_refused and #kept > 0 then
  redis.call('HSET', key, unpack(kept))
  redis.call('PEXPIRE', key, whole(2 * longest))
end
return cjson.encode(meters)
