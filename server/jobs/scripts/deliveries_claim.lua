-- Hand due webhooks to a node, a few of each target; forget what ended long ago.
-- Keys: deliveries, deliveries:*, due:*, delivery:*.
-- ARGV: now in ms, '' for Redis' own clock; how many; milliseconds of the lease; after how many
-- attempts one is given up; the most that this node sends to one target at a time; JSON {target: how
-- many more it may send there} for those where that is fewer.
-- Returns {milliseconds until one more may be due (-1: none waits), 1 when there was more to do,
-- deliveries as JSON, ...}. A lease that ends makes its delivery due again.
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or now_ms()
local wanted, lease_ms, attempts_most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local usual_room, room = tonumber(ARGV[5]), cjson.decode(ARGV[6])
local AT_ONCE = 100
local taken, ended, narrow = {}, 0, 0

for _, id in ipairs(redis.call('ZRANGEBYSCORE', DELIVERIES_ENDED, '-inf', whole(now), 'LIMIT', 0, AT_ONCE)) do
  forget_delivery(id)
  ended = ended + 1
end

-- Whoever held it before has died, or could not tell how it went.
local function note_loss(delivery)
  if not delivery.begun then return end
  local history = cjson.decode(delivery.history or '[]')
  table.insert(history, { at = tonumber(delivery.begun), error = 'lost' })
  while #history > ATTEMPTS_KEPT do table.remove(history, 1) end
  delivery.history = cjson.encode(history)
  redis.call('HSET', DELIVERY .. delivery.id, 'history', delivery.history)
end

local function take(delivery)
  note_loss(delivery)
  if tonumber(delivery.attempts) >= attempts_most then
    ended = ended + 1
    return end_delivery(delivery, 'given_up', 'lost', now)
  end
  local key = DELIVERY .. delivery.id
  delivery.token = whole(redis.call('HINCRBY', key, 'token', 1))
  delivery.attempts = whole(redis.call('HINCRBY', key, 'attempts', 1))
  delivery.begun = whole(now)
  redis.call('HSET', key, 'begun', delivery.begun)
  redis.call('ZADD', DUE .. delivery.target, whole(now + lease_ms), delivery.id)
  table.insert(taken, cjson.encode(delivery))
end

local function serve(target, most)
  local is_stopped = string.sub(target, 1, 1) == '@'
    and redis.call('HEXISTS', DELIVERIES_STOPPED, string.sub(target, 2)) == 1
  local due = redis.call('ZRANGEBYSCORE', DUE .. target, '-inf', whole(now), 'LIMIT', 0,
    is_stopped and AT_ONCE or most)
  for _, id in ipairs(due) do
    local delivery = read(DELIVERY .. id)
    if not delivery then
      redis.call('ZREM', DUE .. target, id)
    elseif is_stopped then
      ended = ended + 1
      end_delivery(delivery, 'gone', 'stopped', now)
    else
      take(delivery)
      room[target] = (room[target] or usual_room) - 1
    end
  end
  reschedule(target, now)
end

for _ in pairs(room) do narrow = narrow + 1 end
for _, target in ipairs(redis.call('ZRANGEBYSCORE', DELIVERIES_DUE, '-inf', whole(now), 'LIMIT', 0, wanted + narrow)) do
  local most = math.min(room[target] or usual_room, wanted - #taken)
  if most > 0 then serve(target, most) end
end

local next_ms = -1
narrow = 0
for _ in pairs(room) do narrow = narrow + 1 end
local coming = redis.call('ZRANGE', DELIVERIES_DUE, 0, narrow, 'WITHSCORES')
for index = 1, #coming, 2 do
  if (room[coming[index]] or usual_room) > 0 then
    next_ms = math.max(0, tonumber(coming[index + 1]) - now)
    break
  end
end
return { whole(next_ms), ended > 0 and 1 or 0, unpack(taken) }
