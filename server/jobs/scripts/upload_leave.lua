-- Keep an upload in hand, give it back, or end it without a job. What became a job, admit.lua ends.
-- Keys: upload:*, pending:*.
-- ARGV: id; token; `taken`, `open` or `refused`; milliseconds of the lease; JSON of the refusal.
-- Returns 1, or 0 when it was no longer this token's.
local key = UPLOAD .. ARGV[1]
local record = read(key)
if not record or record.state ~= 'taken' or record.token ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'state', ARGV[3], 'lease', whole(now_ms() + tonumber(ARGV[4])),
  'refusal', ARGV[5])
if ARGV[3] == 'refused' then redis.call('ZREM', PENDING .. record.client, ARGV[1]) end
return 1
