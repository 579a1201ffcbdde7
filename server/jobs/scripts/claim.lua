-- Hand waiting jobs to a node, fairly: one client after the other, interactive before bulk.
-- Keys: delayed, ring:*, waiting:*, served:*, queue, queue:{class}, job:*, batch:*; channel events:*.
-- ARGV: node; how many groups; bytes of memory that are free; 1 when the node runs nothing; every
-- how manieth claim is bulk's; the most jobs of a group.
-- Returns groups of jobs as JSON, each job with a new lease and fencing token. Jobs group when they
-- follow one another in line and are small and of the same kind (field `group`).
local node, wanted, free = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local idle, bulk_share, group_most = ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])

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

-- The next job in line; tombstones of cancelled jobs before it are cleared, 1000 at most.
local function next_job()
  for _ = 1, 1000 do
    local class = next_class()
    if not class then return nil end
    local client = redis.call('LINDEX', RING .. class, 0)
    local id = redis.call('LINDEX', WAITING .. class .. ':' .. client, 0)
    local job = id and read(JOB .. id)
    if job and job.status == 'queued' then return job end
    step_forward(class, client)
  end
end

ensure_groups()
return_delayed()
-- What waits is spread over all lanes before any lane gets a second job of a group.
local group_size = math.min(group_most, math.ceil(waiting() / math.max(1, counter('lanes'))))
local groups = {}
while true do
  local job = next_job()
  if not job then break end
  local group = groups[#groups]
  local joins = group and job.group ~= '' and job.group == group.kind and #group.jobs < group_size
  if not joins then
    if #groups == wanted then break end
    local cost = tonumber(job.cost)
    if cost > free and not (idle and #groups == 0) then break end
    free = free - cost -- of one job: those of a group run one after the other
    group = { kind = job.group, jobs = {} }
    table.insert(groups, group)
  end
  step_forward(job.class, job.client)
  redis.call('HINCRBY', QUEUE, 'turn', 1)
  table.insert(group.jobs, lease(job))
end
local taken = {}
for index, group in ipairs(groups) do taken[index] = group.jobs end
return taken
