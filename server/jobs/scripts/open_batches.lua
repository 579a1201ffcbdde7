-- A sign of life for the batches that a node is reading in. Keys: open.
-- ARGV: milliseconds of silence after which a batch is given up; ids of those that are read.
-- Returns the ids of those to give up, 100 at most.
local now = now_ms()
for index = 2, #ARGV do redis.call('ZADD', OPEN, 'XX', whole(now), ARGV[index]) end
return redis.call('ZRANGEBYSCORE', OPEN, '-inf', whole(now - tonumber(ARGV[1])), 'LIMIT', 0, 100)
