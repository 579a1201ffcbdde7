-- Out of the line and into a node's hands: what both claims share, and the claim of the lanes, which
-- an admission can make, too.

-- A batch of URLs keeps the recipe of its jobs once for all of them.
local function with_recipe(job)
  if not job.recipe then
    job.recipe = job.batch and redis.call('HGET', BATCH .. job.batch, 'recipe') or '{}'
  end
  return job
end

local function return_delayed()
  local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', whole(now_ms()), 'LIMIT', 0, 100)
  for _, id in ipairs(due) do
    redis.call('ZREM', DELAYED, id)
    local job = read(JOB .. id)
    if job and job.status == 'queued' then line_up(job, true) end
  end
end

-- Of two classes the one whose turn it is, given which of them have work.
local function choose(first, second, turn, second_share)
  if not second then return first end
  if not first then return second end
  return (counter(turn) + 1) % second_share == 0 and second or first
end

local function step_forward(class, client)
  redis.call('LPOP', RING .. class)
  redis.call('LPOP', WAITING .. class .. ':' .. client)
  if redis.call('EXISTS', WAITING .. class .. ':' .. client) == 1 then
    redis.call('HINCRBY', SERVED .. class, client, 1)
    redis.call('RPUSH', RING .. class, client)
  else
    redis.call('HDEL', SERVED .. class, client)
  end
end

-- The next job in the line that next_class() names; before it, tombstones of cancelled jobs are
-- cleared, jobs completed whose result has been made meanwhile, and damaged ones ended; 1000 at most.
local function next_job(next_class)
  for _ = 1, 1000 do
    local class = next_class()
    if not class then return nil end
    local client = redis.call('LINDEX', RING .. class, 0)
    local id = redis.call('LINDEX', WAITING .. class .. ':' .. client, 0)
    local job = id and read(JOB .. id)
    local is_lost = job and (job.status == 'queued' or not MOVES[job.status]) and is_broken(id, job)
    local is_next = not is_lost and job and job.status == 'queued' and job.class == class
    local same = is_next and same_result(job)
    if is_next and not (same and same.status == 'completed') then return job end
    step_forward(class, client)
    if is_next then reuse(job, same) end
    if is_lost then
      bury(id, { status = 'queued', class = class, client = client }, 'A part of it was damaged.')
    end
  end
end

-- Take a job out of its line for a node; returns it as JSON with a new lease and fencing token.
local function lease(job, node, stage)
  step_forward(job.class, job.client)
  local entry = redis.call('XADD', STREAM .. job.class, '*', 'id', job.id)
  redis.call('XREADGROUP', 'GROUP', GROUP, node, 'COUNT', 1, 'STREAMS', STREAM .. job.class, '>')
  if job.cancel then
    redis.call('HDEL', JOB .. job.id, 'cancel')
    job.cancel = nil
  end
  move(job, 'processing', { 'attempts', whole(tonumber(job.attempts or 0) + 1),
    'token', whole(tonumber(job.token or 0) + 1), 'entry', entry, 'node', node,
    'started', whole(now_ms()), 'stage', stage, 'progress', 0,
    'ticks', (job.ticks or '0'):sub(1, 1) .. tenth() })
  return cjson.encode(with_recipe(job))
end

local AI_SHARE = 3 -- every third claim, while plain jobs wait too and a network is free

local function has_work(class)
  return redis.call('EXISTS', RING .. class) == 1 and class
end

-- The class whose turn it is at the lanes of a node.
local function next_at_lanes(room)
  if redis.call('EXISTS', RING .. 'bulk', RING .. AI_CLASS) == 0 then return has_work('interactive') end
  local plain = choose(has_work('interactive'), has_work('bulk'), 'turn', room.bulk_share)
  return choose(plain, room.networks > 0 and has_work(AI_CLASS), 'turn', AI_SHARE)
end

-- Hand waiting jobs to a node, fairly: one client after the other, interactive before bulk.
-- room: node; how many `groups`; `bytes` of memory that are free; whether the node `is_idle`; every
-- how manieth claim is bulk's (bulk_share); the most jobs of a group (group_most); how many jobs of
-- class ai may start (networks).
-- Returns how many still wait, groups of jobs as JSON, each job with a new lease and fencing token,
-- and the ids of damaged ones that have ended. Jobs group when they follow one another in line and are
-- small and of the same kind (field `group`).
local function claim(room)
  ensure_groups()
  return_delayed()
  -- What waits is spread over all lanes before any lane gets a second job of a group.
  local group_size = math.min(room.group_most, math.ceil(waiting() / math.max(1, counter('lanes'))))
  local groups, taken = {}, {}
  while true do
    local group = groups[#groups]
    local may_grow = group and group.kind ~= '' and #group.jobs < group_size
    if #groups == room.groups and not may_grow then break end
    local job = next_job(function() return next_at_lanes(room) end)
    if not job then break end
    local joins = may_grow and job.group == group.kind
    if not joins then
      if #groups == room.groups then break end
      local cost = tonumber(job.cost)
      if cost > room.bytes and not (room.is_idle and #groups == 0) then break end
      room.bytes = room.bytes - cost -- of one job: those of a group run one after the other
      group = { kind = job.group, jobs = {} }
      table.insert(groups, group)
      table.insert(taken, group.jobs)
    end
    redis.call('HINCRBY', QUEUE, 'turn', 1)
    if job.class == AI_CLASS then room.networks = room.networks - 1 end
    table.insert(group.jobs, lease(job, room.node, 'decoding'))
  end
  return waiting(), taken, buried
end
