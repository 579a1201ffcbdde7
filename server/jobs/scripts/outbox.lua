-- Webhooks are born here, by the script that makes the move they tell of: no crash parts the two.
-- A delivery keeps a snapshot of what it tells. Targets are hosts for the callback of a client, and
-- @name for an endpoint of the configuration; each has a line of its own (due:{target}), so that a
-- dead one holds up nobody else.
-- Keys, of every script that ends a job: delivery:*, deliveries, deliveries:*, due:*; channel deliver.
-- SUBSCRIBERS (event -> names of endpoints) and the limits in capitals come from outbox.py.

local function count_delivery(outcome)
  redis.call('HINCRBY', DELIVERY_COUNTS, outcome, 1)
end

-- When a target is to be looked at next: at its first due delivery, and not before it asked for.
local function reschedule(target, now)
  local first = redis.call('ZRANGE', DUE .. target, 0, 0, 'WITHSCORES')
  if not first[1] then
    redis.call('ZREM', DELIVERIES_DUE, target)
    redis.call('HDEL', DELIVERIES_PAUSED, target)
    return
  end
  local at = tonumber(first[2])
  local paused = tonumber(redis.call('HGET', DELIVERIES_PAUSED, target) or 0)
  if paused > now then at = math.max(at, paused) end
  redis.call('ZADD', DELIVERIES_DUE, whole(at), target)
end

local function forget_delivery(id)
  local state = redis.call('HGET', DELIVERY .. id, 'state')
  for _, set in ipairs({ DELIVERIES, DELIVERY_IDS, DELIVERIES_ENDED }) do redis.call('ZREM', set, id) end
  if state then redis.call('ZREM', DELIVERIES_IN .. state, id) end
  redis.call('DEL', DELIVERY .. id)
end

local function bring_delivery(delivery, state, fields)
  redis.call('ZREM', DELIVERIES_IN .. delivery.state, delivery.id)
  redis.call('ZADD', DELIVERIES_IN .. state, delivery.at, delivery.id)
  redis.call('HSET', DELIVERY .. delivery.id, 'state', state, unpack(fields))
  redis.call('HDEL', DELIVERY .. delivery.id, 'begun')
  delivery.state = state
end

-- Nothing more is sent of it; it is kept for a while, so that it can be looked at and replayed.
local function end_delivery(delivery, state, why, now)
  redis.call('ZREM', DUE .. delivery.target, delivery.id)
  bring_delivery(delivery, state, { 'ended', whole(now), 'why', why })
  redis.call('ZADD', DELIVERIES_ENDED, whole(now + KEEP_DELIVERY_MS), delivery.id)
  redis.call('PEXPIRE', DELIVERY .. delivery.id, whole(2 * KEEP_DELIVERY_MS))
  count_delivery(state)
  while redis.call('ZCARD', DELIVERIES_ENDED) > KEPT_MOST do
    forget_delivery(redis.call('ZPOPMIN', DELIVERIES_ENDED)[1])
  end
end

local function give_up(id, now)
  local delivery = read(DELIVERY .. id)
  if not delivery then return redis.call('ZREM', DELIVERIES_IN .. 'waiting', id) end
  count_delivery('overflowed')
  end_delivery(delivery, 'given_up', 'overflow', now)
  reschedule(delivery.target, now)
end

-- Of a full line the one whose next attempt is furthest away is given up; of a full outbox one of
-- the same target if there is any, else the oldest of all.
local function make_room(target, now)
  local waiting = redis.call('ZCARD', DUE .. target)
  local is_full = redis.call('ZCARD', DELIVERIES_IN .. 'waiting') >= WAITING_MOST
  if waiting > 0 and (is_full or waiting >= TARGET_MOST) then
    give_up(redis.call('ZPOPMAX', DUE .. target)[1], now)
  elseif is_full then
    give_up(redis.call('ZRANGE', DELIVERIES_IN .. 'waiting', 0, 0)[1], now)
  end
end

local function await_turn(id, target, now)
  redis.call('ZADD', DUE .. target, whole(now), id)
  reschedule(target, now)
  redis.call('PUBLISH', DELIVER, 1)
end

-- message: id, type, subject (job or batch), client, snapshot (JSON); of the request that is behind
-- it request and trace, and turn: the token of the attempt that led to it, where there was one.
-- What an endpoint that has said 410 would have got is kept as gone, to be replayed.
local function bear(message, target, url)
  local now, id = now_ms(), message.id
  local is_stopped = not url and redis.call('HEXISTS', DELIVERIES_STOPPED, string.sub(target, 2)) == 1
  if not is_stopped then make_room(target, now) end
  local at = whole(now)
  redis.call('HSET', DELIVERY .. id, 'id', id, 'type', message.type, 'subject', message.subject,
    'client', message.client, 'snapshot', message.snapshot, 'at', at, 'target', target,
    'url', url or '', 'state', 'waiting', 'attempts', 0, 'token', 0)
  for _, name in ipairs({ 'request', 'trace', 'turn' }) do
    if message[name] then redis.call('HSET', DELIVERY .. id, name, message[name]) end
  end
  redis.call('ZADD', DELIVERIES, at, id)
  redis.call('ZADD', DELIVERY_IDS, 0, id)
  redis.call('ZADD', DELIVERIES_IN .. 'waiting', at, id)
  count_delivery('born')
  if is_stopped then
    end_delivery({ id = id, target = target, state = 'waiting', at = at }, 'gone', 'stopped', now)
  else
    await_turn(id, target, now)
  end
end

local function host_of(url)
  return string.match(url, '^%a+://([^/]+)')
end

local function bear_all(message, callback)
  local id = message.id
  if callback then bear(message, host_of(callback), callback) end
  for _, name in ipairs(SUBSCRIBERS[message.type] or {}) do
    message.id = id .. '_' .. name
    bear(message, '@' .. name)
  end
end

-- A job has come to its end, or its end has expired. Costs nothing where nobody is to be told.
-- `text` is the job's hash as its watchers are told, after the move. What was made because somebody
-- looked at a picture (`of` says at which) is nothing that anybody has sent.
announce = function(job, to, revision, text)
  if job.of or not (ENDS[to] or to == 'expired') then return end
  local callback = ENDS[to] and job.callback or nil
  local event = 'job.' .. to
  if not callback and not SUBSCRIBERS[event] then return end
  bear_all({ id = 'msg_' .. job.id .. '_' .. revision, type = event, subject = job.id,
    client = job.client, snapshot = text, request = job.request, trace = job.trace,
    turn = job.work and job.trace and job.token }, callback)
end

-- None of a batch's jobs waits or runs. It has ended when no more can come, too; `told` is the
-- number of its ends that were told, negative from when a job of it is tried again.
local function announce_batch(id)
  local seen = redis.call('HMGET', BATCH .. id, 'open', 'callback', 'told', 'total', 'completed',
    'failed', 'cancelled', 'expired')
  if seen[1] or not (seen[2] or SUBSCRIBERS['batch.completed']) then return end
  local settled, told = 0, tonumber(seen[3] or 0)
  for index = 5, 8 do settled = settled + tonumber(seen[index] or 0) end
  if settled < tonumber(seen[4]) or told > 0 then return end
  redis.call('HSET', BATCH .. id, 'told', 1 - told)
  local batch = read(BATCH .. id)
  batch.recipe = nil
  bear_all({ id = 'msg_' .. id .. '_' .. (1 - told), type = 'batch.completed', subject = id,
    client = batch.client, snapshot = cjson.encode(batch), request = batch.request,
    trace = batch.trace }, seen[2] or nil)
end

-- A failed job of a batch is tried again: the batch will end once more.
local function reopen_batch(id)
  local told = tonumber(redis.call('HGET', BATCH .. id, 'told') or 0)
  if told > 0 then redis.call('HSET', BATCH .. id, 'told', -told) end
end
