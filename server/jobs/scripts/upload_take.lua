-- Take an upload in hand, so that one request or notification at a time works on it.
-- Keys: upload:*.
-- ARGV: id; milliseconds of the lease.
-- Returns nothing when it is unknown, else {1 when it is ours now else 0, its fields as JSON}.
local key = UPLOAD .. ARGV[1]
local record = read(key)
if not record then return false end
local now = now_ms()
local is_free = record.state == 'open'
  or (record.state == 'taken' and tonumber(record.lease) < now)
if not is_free then return { 0, cjson.encode(record) } end
record.token = whole(redis.call('HINCRBY', key, 'token', 1))
redis.call('HSET', key, 'state', 'taken', 'lease', whole(now + tonumber(ARGV[2])))
return { 1, cjson.encode(record) }
