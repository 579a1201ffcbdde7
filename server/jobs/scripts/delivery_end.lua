-- An attempt to deliver a webhook has ended.
-- Keys: deliveries, deliveries:*, due:*, delivery:*; channel deliver.
-- ARGV: now in ms, '' for Redis' own clock; id; fencing token; what becomes of it: delivered, gone,
-- given_up, waiting (tried again) or back (not tried at all); JSON of the attempt; milliseconds until
-- the next attempt; milliseconds that its endpoint asked for (0: none); digest of an endpoint's URL.
-- Returns 1, or 0 when it was no longer this token's.
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or now_ms()
local id, token, to, attempt = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local wait_ms, pause_ms = tonumber(ARGV[6]), tonumber(ARGV[7])
local key, delivery = DELIVERY .. id, read(DELIVERY .. id)
if not delivery or delivery.token ~= token or delivery.state ~= 'waiting' or not delivery.begun then return 0 end

local is_endpoint = string.sub(delivery.target, 1, 1) == '@'
if to == 'back' then
  redis.call('HINCRBY', key, 'attempts', -1)
  redis.call('HDEL', key, 'begun')
  await_turn(id, delivery.target, now)
  return 1
end
local history = cjson.decode(delivery.history or '[]')
table.insert(history, cjson.decode(attempt))
while #history > ATTEMPTS_KEPT do table.remove(history, 1) end
redis.call('HSET', key, 'history', cjson.encode(history))
if to == 'gone' and is_endpoint then
  redis.call('HSET', DELIVERIES_STOPPED, string.sub(delivery.target, 2), whole(now) .. ' ' .. ARGV[8])
end
if is_endpoint and pause_ms > 0 then
  redis.call('HSET', DELIVERIES_PAUSED, delivery.target, whole(now + pause_ms))
end
if to == 'waiting' then
  redis.call('HDEL', key, 'begun')
  redis.call('ZADD', DUE .. delivery.target, whole(now + wait_ms), id)
  count_delivery('retried')
else
  end_delivery(delivery, to, to == 'given_up' and 'attempts' or '', now)
end
reschedule(delivery.target, now)
return 1
