-- All URLs of a batch have been read, or it is stopped. Keys: batch:*, open, and those of outbox; channel events:*.
-- ARGV: id.
local id = ARGV[1]
redis.call('ZREM', OPEN, id)
redis.call('HDEL', BATCH .. id, 'open')
keep_batch(id, whole(now_ms() + KEEP_MS + math.min(KEEP_MS, DAY_MS))) -- if all of it has ended
if redis.call('EXISTS', BATCH .. id) == 1 then tell_batch(id) end
