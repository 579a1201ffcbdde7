-- Hand waiting jobs to a node, fairly: one client after the other, interactive before bulk.
-- Keys: delayed, ring:*, waiting:*, served:*, queue, queue:{class}, job:*, batch:*; channel events:*.
-- ARGV: node; how many; bytes of memory that are free; 1 when the node runs nothing; every how
-- manieth claim is bulk's. Returns the jobs as JSON, each with a new lease and fencing token.
local node, wanted, free = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local idle, bulk_share = ARGV[4] == '1', tonumber(ARGV[5])

local function return_delayed()
  local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', whole(now_ms()), 'LIMIT', 0, 100)
  for _, id in ipairs(due) do
    redis.call('ZREM', DELAYED, id)
    local job = read(JOB .. id)
    if job and job.status == 'queued' then line_up(job, true) end
  end
end

local function next_class()
  local interactive = redis.call('EXISTS', RING .. 'interactive') == 1
  local bulk = redis.call('EXISTS', RING .. 'bulk') == 1
  if not bulk then return interactive and 'interactive' or nil end
  if not interactive then return 'bulk' end
  return (counter('turn') + 1) % bulk_share == 0 and 'bulk' or 'interactive'
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

local function lease(job)
  local entry = redis.call('XADD', STREAM .. job.class, '*', 'id', job.id)
  redis.call('XREADGROUP', 'GROUP', GROUP, node, 'COUNT', 1, 'STREAMS', STREAM .. job.class, '>')
  redis.call('HINCRBY', JOB .. job.id, 'attempts', 1)
  redis.call('HINCRBY', JOB .. job.id, 'token', 1)
  redis.call('HDEL', JOB .. job.id, 'cancel')
  move(job, 'processing', { 'entry', entry, 'node', node, 'started', whole(now_ms()),
    'stage', 'decoding', 'progress', 0 })
  return cjson.encode(read(JOB .. job.id))
end

return_delayed()
local taken = {}
for _ = 1, wanted + 1000 do -- 1000: tombstones of cancelled jobs that one call clears at most
  local class = #taken < wanted and next_class()
  if not class then break end
  local client = redis.call('LINDEX', RING .. class, 0)
  local id = redis.call('LINDEX', WAITING .. class .. ':' .. client, 0)
  local job = id and read(JOB .. id)
  if not job or job.status ~= 'queued' then
    step_forward(class, client)
  else
    local cost = tonumber(job.cost)
    if cost > free and not (idle and #taken == 0) then break end
    step_forward(class, client)
    redis.call('HINCRBY', QUEUE, 'turn', 1)
    free = free - cost
    table.insert(taken, lease(job))
  end
end
return taken
