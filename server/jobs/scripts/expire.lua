-- End the time of settled jobs and of originals that are due.
-- Keys: expiry, expiry:originals, job:*, batch:*, failed, queue:dead, blob:*, made:*, result:*, trash;
-- and those of outbox; channels events:*, gone.
-- ARGV: at most how many of each. Returns how many there were.
local now = whole(now_ms())
local function due(set)
  return redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, ARGV[1])
end

local originals, jobs = due(ORIGINALS), due(EXPIRY)
for _, id in ipairs(originals) do
  local job = read(JOB .. id)
  if job then
    release_original(job)
    forget_later(job)
  else
    redis.call('ZREM', ORIGINALS, id)
  end
end
for _, id in ipairs(jobs) do
  local job = read(JOB .. id)
  if job then expire(job, false) else redis.call('ZREM', EXPIRY, id) end
end
return #originals + #jobs
