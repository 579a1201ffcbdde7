-- Out of the line and into a node's hands: what both claims share.

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
-- cleared and jobs completed whose result has been made meanwhile, 1000 at most.
local function next_job(next_class)
  for _ = 1, 1000 do
    local class = next_class()
    if not class then return nil end
    local client = redis.call('LINDEX', RING .. class, 0)
    local id = redis.call('LINDEX', WAITING .. class .. ':' .. client, 0)
    local job = id and read(JOB .. id)
    local is_next = job and job.status == 'queued' and job.class == class
    local same = is_next and same_result(job)
    if is_next and not (same and same.status == 'completed') then return job end
    step_forward(class, client)
    if is_next then reuse(job, same) end
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
