-- In front of every script: the clock, reading a hash, one way to change a job and to tell of it.
-- The names in capitals come from names.py, MOVES from job.py.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function read(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then return nil end
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local function counter(name)
  return tonumber(redis.call('HGET', QUEUE, name) or 0)
end

local function waiting()
  return counter(WAITING .. 'interactive') + counter(WAITING .. 'bulk')
end

-- Milliseconds until `jobs` more have left the queue, by the mean time of a job and all lanes.
local function drain_ms(jobs)
  return jobs * (tonumber(redis.call('HGET', QUEUE, 'mean_ms') or 1000)) / math.max(1, counter('lanes'))
end

-- The place in line, from counters alone: the client's own jobs ahead, times the clients in the ring.
local function place(job)
  local served = tonumber(redis.call('HGET', SERVED .. job.class, job.client) or 0)
  local ahead = tonumber(job.ticket) - served - 1
  local clients = redis.call('LLEN', RING .. job.class)
  local position = math.max(1, math.min(counter(WAITING .. job.class), ahead * clients + 1))
  if job.class == 'bulk' then position = position + counter(WAITING .. 'interactive') end
  return position
end

-- A job's fields with, while it waits, its place in line.
local function picture(job)
  if job.status == 'queued' then
    local position = place(job)
    job.position = whole(position)
    job.eta = whole(drain_ms(position))
  end
  return cjson.encode(job)
end

local function tell(id)
  local job = read(JOB .. id)
  job.recipe = nil -- no watcher needs it
  redis.call('PUBLISH', EVENTS .. id, picture(job))
end

local function tell_batch(id)
  redis.call('HINCRBY', BATCH .. id, 'revision', 1)
  redis.call('PUBLISH', EVENTS .. id, cjson.encode(read(BATCH .. id)))
end

-- Write fields (a flat list) into a job, grow its revision, tell its watchers.
local function change(id, fields)
  redis.call('HSET', JOB .. id, unpack(fields))
  redis.call('HINCRBY', JOB .. id, 'revision', 1)
  tell(id)
end

local function count(job, state, by)
  if state == 'queued' then
    redis.call('HINCRBY', QUEUE, WAITING .. job.class, by)
    redis.call('HINCRBY', QUEUE, 'waiting_bytes', by * tonumber(job.original_bytes))
  end
  if state == 'processing' then redis.call('HINCRBY', QUEUE, 'processing', by) end
  if job.batch then redis.call('HINCRBY', BATCH .. job.batch, state, by) end
end

-- Take a job from its state to another, with all that depends on it. An impossible move raises.
local function move(job, to, fields)
  if not (MOVES[job.status] and MOVES[job.status][to]) then
    error('impossible move of job ' .. job.id .. ' from ' .. job.status .. ' to ' .. to)
  end
  count(job, job.status, -1)
  count(job, to, 1)
  if to == 'failed' then redis.call('ZADD', FAILED, whole(now_ms()), job.id) end
  if job.status == 'failed' then redis.call('ZREM', FAILED, job.id) end
  table.insert(fields, 'status')
  table.insert(fields, to)
  change(job.id, fields)
  if job.batch then tell_batch(job.batch) end
end

local function waiting_list(job)
  return WAITING .. job.class .. ':' .. job.client
end

-- Put a job at the front or the back of its client's list; the ring knows every client with work.
local function line_up(job, at_front)
  local list = waiting_list(job)
  if redis.call('LLEN', list) == 0 then redis.call('RPUSH', RING .. job.class, job.client) end
  if at_front then
    redis.call('LPUSH', list, job.id)
    local served = redis.call('HINCRBY', SERVED .. job.class, job.client, -1)
    redis.call('HSET', JOB .. job.id, 'ticket', whole(served + 1))
  else
    local length = redis.call('RPUSH', list, job.id)
    local served = tonumber(redis.call('HGET', SERVED .. job.class, job.client) or 0)
    redis.call('HSET', JOB .. job.id, 'ticket', whole(served + length))
  end
end

-- Give up the lease: acknowledged and deleted together, or the stream would grow for ever.
local function release(job)
  redis.call('XACK', STREAM .. job.class, GROUP, job.entry)
  redis.call('XDEL', STREAM .. job.class, job.entry)
end

-- A settled job is kept for a while and then removed with its files; that it expired is known for
-- as long again, a day at most.
local function keep(job, keep_ms)
  local due = now_ms() + keep_ms
  local forgotten = whole(due + math.min(keep_ms, 86400000))
  redis.call('ZADD', EXPIRY, whole(due), job.id)
  redis.call('PEXPIREAT', JOB .. job.id, forgotten)
  if job.batch then
    redis.call('PEXPIREAT', BATCH .. job.batch, forgotten)
    redis.call('PEXPIREAT', BATCH .. job.batch .. BATCH_JOBS, forgotten)
  end
end

-- A Redis that lost its data while we ran has no consumer groups any more.
local function ensure_groups()
  for _, class in ipairs({ 'interactive', 'bulk' }) do
    if redis.call('EXISTS', STREAM .. class) == 0 then
      redis.call('XGROUP', 'CREATE', STREAM .. class, GROUP, '0', 'MKSTREAM')
    end
  end
end
