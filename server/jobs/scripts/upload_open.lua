-- Note an upload that a client may bring until a time, if it has not too many open already.
-- Keys: upload:*, uploads, pending:*.
-- ARGV: id; client; the most it may have open; milliseconds that its URL is good; milliseconds that
-- it is remembered after that; JSON of flat fields.
-- Returns {1, the ms at which the URL ends}, or {0, how many are open}. One that exists stays as it is.
local id, client, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local good_ms, keep_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
local pending = PENDING .. client

local known = redis.call('HGET', UPLOAD .. id, 'expires')
if known then return { 1, tonumber(known) } end

redis.call('ZREMRANGEBYSCORE', pending, '-inf', whole(now))
local open = redis.call('ZCARD', pending)
if open >= most then return { 0, open } end

local expires, due = now + good_ms, now + good_ms + keep_ms
redis.call('HSET', UPLOAD .. id, 'id', id, 'client', client, 'state', 'open', 'token', 0,
  'created', whole(now), 'expires', whole(expires), unpack(cjson.decode(ARGV[6])))
redis.call('ZADD', UPLOADS, whole(due), id)
redis.call('ZADD', pending, whole(expires), id)
if redis.call('PEXPIRETIME', pending) < expires then
  redis.call('PEXPIREAT', pending, whole(expires))
end
return { 1, expires }
