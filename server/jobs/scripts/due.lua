-- Read the settled jobs whose time is over. Keys: expiry, job:*.
-- ARGV: at most how many. Returns them as JSON; ids whose hash is gone are dropped.
local found = {}
local due = redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', whole(now_ms()), 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do
  local job = read(JOB .. id)
  if job then
    table.insert(found, cjson.encode(job))
  else
    redis.call('ZREM', EXPIRY, id)
    redis.call('ZREM', FAILED, id)
  end
end
return found
