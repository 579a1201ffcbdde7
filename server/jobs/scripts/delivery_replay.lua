-- Send a webhook again, by hand, with all its attempts before it. One that waits is due at once.
-- Keys: deliveries, deliveries:*, due:*, delivery:*; channel deliver.
-- ARGV: now in ms, '' for Redis' own clock; id.
-- Returns 'waiting', 'sending' (it is being sent just now), 'stopped' (its endpoint has said 410),
-- or nothing for an unknown id.
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or now_ms()
local delivery = read(DELIVERY .. ARGV[2])
if not delivery then return false end
local target = delivery.target
if string.sub(target, 1, 1) == '@' and redis.call('HEXISTS', DELIVERIES_STOPPED, string.sub(target, 2)) == 1 then
  return 'stopped'
end
if delivery.begun then return 'sending' end
redis.call('HSET', DELIVERY .. delivery.id, 'attempts', 0)
if delivery.state ~= 'waiting' then
  make_room(target, now)
  redis.call('PERSIST', DELIVERY .. delivery.id)
  redis.call('ZREM', DELIVERIES_ENDED, delivery.id)
  bring_delivery(delivery, 'waiting', {})
  redis.call('HDEL', DELIVERY .. delivery.id, 'ended', 'why')
end
count_delivery('replayed')
await_turn(delivery.id, target, now)
return 'waiting'
