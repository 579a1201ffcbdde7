-- How the whole queue stands, for those who watch the service. Clients of a class in the order of
-- their turns; of each the job that came first.
-- Keys: queue, delayed, queue:dead, journal, ring:*, waiting:*, job:*, deliveries:counts,
-- deliveries:in:waiting.
-- ARGV: at most how many clients of a class are looked at for the oldest job.
-- Returns the counters (flat), how many jobs are delayed, quarantined, not yet written down, the
-- milliseconds that the oldest waiting job has waited, or -1, how many webhooks wait, the counters
-- of webhooks (flat), and what has waited longest: the classes (flat, in ms), then in quarantine and
-- in the journal (ms, or -1).
local LOOKED_AT = 3 -- of a client: the first may be tombstones of cancelled jobs
local now, oldest = now_ms(), nil
local ages = {} -- flat
local function look_at(id)
  local job = redis.call('HMGET', JOB .. id, 'created', 'status')
  local created = job[2] == 'queued' and tonumber(job[1])
  if created and (not oldest or created < oldest) then oldest = created end
  return created
end

-- Of a stream: the ids of its entries begin with the milliseconds at which they were written.
local function age_of_first(stream)
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  return first and math.max(0, now - tonumber(string.match(first[1], '^%d+'))) or -1
end

local oldest_of_all
for _, class in ipairs({ 'interactive', 'bulk', AI_CLASS, 'fetch', 'fetch-bulk' }) do
  oldest = nil
  for _, client in ipairs(redis.call('LRANGE', RING .. class, 0, ARGV[1] - 1)) do
    for _, id in ipairs(redis.call('LRANGE', WAITING .. class .. ':' .. client, 0, LOOKED_AT - 1)) do
      if look_at(id) then break end
    end
  end
  if oldest then
    append(ages, { class, math.max(0, now - oldest) })
    oldest_of_all = math.min(oldest, oldest_of_all or oldest)
  end
end
return { redis.call('HGETALL', QUEUE), redis.call('ZCARD', DELAYED), redis.call('XLEN', DEAD),
  redis.call('XLEN', JOURNAL), oldest_of_all and math.max(0, now - oldest_of_all) or -1,
  redis.call('ZCARD', DELIVERIES_IN .. 'waiting'), redis.call('HGETALL', DELIVERY_COUNTS), ages,
  age_of_first(DEAD), age_of_first(JOURNAL) }
