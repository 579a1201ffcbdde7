-- Forget an upload whose time is over, unless another has it in hand just now.
-- Keys: upload:*, uploads, pending:*.
-- ARGV: id; the token of who has it in hand itself, or 0.
-- Returns 1, or 0 when it is in another's hand.
local record = read(UPLOAD .. ARGV[1])
local is_taken = record and record.state == 'taken' and tonumber(record.lease) >= now_ms()
if is_taken and record.token ~= ARGV[2] then return 0 end
redis.call('ZREM', UPLOADS, ARGV[1])
redis.call('DEL', UPLOAD .. ARGV[1])
if record then redis.call('ZREM', PENDING .. record.client, ARGV[1]) end
return 1
