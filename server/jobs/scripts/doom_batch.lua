-- Note that all of a batch is to be stopped: whoever finds it in `open` without a sign of life goes
-- on with that. Keys: batch:*, open. ARGV: id.
if redis.call('EXISTS', BATCH .. ARGV[1]) == 0 then return end
redis.call('HDEL', BATCH .. ARGV[1], 'open')
redis.call('ZADD', OPEN, 0, ARGV[1])
