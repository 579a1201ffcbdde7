-- The body of a webhook is made once, before it is first sent, and stays as it is from then on.
-- Keys: delivery:*. ARGV: id; fencing token; the body.
-- Returns the body that stands, or nothing when the delivery is no longer this token's.
local key = DELIVERY .. ARGV[1]
if redis.call('HGET', key, 'token') ~= ARGV[2] then return false end
if redis.call('HSETNX', key, 'body', ARGV[3]) == 1 then
  redis.call('HDEL', key, 'snapshot')
  return ARGV[3]
end
return redis.call('HGET', key, 'body')
