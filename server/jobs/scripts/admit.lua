-- Let jobs in, all of them or none: hashes, waiting list, ring, counters, batch, events, wake. One
-- whose result exists is completed here; one like a job that is under way joins it. A node with idle
-- lanes claims in the same move, whatever is first in line then, and nobody else is woken for it.
-- Keys: job:*, batch:*, blob:*, result:*, made:*, followers:*, trash, expiry, waiting:*, ring:*,
-- served:*, unsettled, once:*, upload:*, pending:*, queue, and those of claim and outbox;
-- channels events:*, wake.
-- ARGV: the most jobs that may wait; the most bytes beyond that (0: none);
-- JSON {class, client, batch, jobs: [{id, fields}], most_unsettled, once,
-- brought: {id, token}, callback: URL or ''}; JSON of the room in idle lanes, see `claim`, or ''.
-- Returns {1, 0, 0, 0, ids that were completed at once, and with room what `claim` returns}, or
-- {0, depth, bytes that wait, milliseconds until there may be room, {}}, or {-1, 0, 0, 0, {}}: jobs
-- were admitted under this Idempotency-Key, or {-2, unsettled jobs, 0, milliseconds, {}}: of this
-- client, or {-3, 0, 0, 0, {}}: their presigned upload is no longer this token's.
local limit, spool_limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local request = cjson.decode(ARGV[3])
local batch = request.batch ~= cjson.null and request.batch or nil
local once = request.once ~= cjson.null and request.once or nil
local callback = request.callback ~= '' and request.callback or nil -- of the batch, else of each job

local function cached()
  local ids = {}
  for _, arrival in ipairs(request.jobs) do
    if redis.call('HGET', JOB .. arrival.id, 'cached') then table.insert(ids, arrival.id) end
  end
  return ids
end

local function full(depth, needed, bytes)
  return needed > 0 and depth + needed > limit and counter('waiting_bytes') + bytes > spool_limit
end

-- A presigned upload ends with its job; false: it is no longer this token's.
local function end_upload(brought, job_id)
  local key = UPLOAD .. brought.id
  local record = read(key)
  if not record or record.state ~= 'taken' or tonumber(record.token) ~= brought.token then
    return false
  end
  redis.call('HSET', key, 'state', 'completed', 'job_id', job_id)
  redis.call('HDEL', key, 'recipe', 'name', 'sha256') -- the job has them
  redis.call('ZREM', PENDING .. record.client, brought.id)
  return true
end

local room = ARGV[4] ~= '' and cjson.decode(ARGV[4])

-- Those of them that this node has claimed with an answer that was lost; nobody else will begin them.
local function claimed_before()
  local jobs = {}
  for _, arrival in ipairs(request.jobs) do
    local job = read(JOB .. arrival.id)
    if job and job.status == 'processing' and job.node == room.node and not follows(job) then
      table.insert(jobs, cjson.encode(with_recipe(job)))
    end
  end
  return { jobs }
end

if redis.call('EXISTS', JOB .. request.jobs[1].id) == 1 then -- sent twice
  if not room then return { 1, 0, 0, 0, cached() } end
  return { 1, 0, 0, 0, cached(), waiting(), claimed_before(), buried }
end

local refusal = refused_at_the_door(request.client, #request.jobs, request.most_unsettled, once)
if refusal then return { refusal[1], refusal[2], 0, refusal[3], {} } end

local created = whole(now_ms())
local jobs, bytes = {}, 0
for index, arrival in ipairs(request.jobs) do
  local job = { id = arrival.id, class = request.class, client = request.client, batch = batch,
    created = created, revision = '0' }
  note(job, arrival.fields)
  if not batch then job.callback = callback end
  jobs[index], bytes = job, bytes + tonumber(job.original_bytes)
end

local depth, needed = waiting(), #jobs
if full(depth, needed, bytes) then -- what needs no work needs no room
  needed, bytes = 0, 0
  for _, job in ipairs(jobs) do
    if not same_result(job) then
      needed, bytes = needed + 1, bytes + tonumber(job.original_bytes)
    end
  end
  if full(depth, needed, bytes) then
    redis.call('HINCRBY', QUEUE, 'rejected', #jobs)
    local wait_ms = math.ceil(drain_ms(math.max(depth + needed - limit, limit / 10)))
    return { 0, depth, counter('waiting_bytes'), wait_ms, {} }
  end
end

if type(request.brought) == 'table' and not end_upload(request.brought, jobs[1].id) then
  return { -3, 0, 0, 0, {} }
end
if batch then
  redis.call('HSET', BATCH .. batch, 'id', batch, 'client', request.client, 'total', #jobs,
    'revision', 0, 'created', created)
  for _, name in ipairs({ 'request', 'trace' }) do
    if jobs[1][name] then redis.call('HSET', BATCH .. batch, name, jobs[1][name]) end
  end
  if callback then redis.call('HSET', BATCH .. batch, 'callback', callback) end
end
untold = {}
for index, job in ipairs(jobs) do
  redis.call('HSET', JOB .. job.id, 'id', job.id, 'class', job.class, 'client', job.client,
    'created', created, 'ticks', tenth(), 'revision', 0, unpack(request.jobs[index].fields))
  if batch then
    redis.call('HSET', JOB .. job.id, 'batch', batch)
    redis.call('RPUSH', BATCH .. batch .. BATCH_JOBS, job.id)
  elseif callback then
    redis.call('HSET', JOB .. job.id, 'callback', callback)
  end
  arrive(job)
end
if once then keep_promise(once) end
redis.call('HINCRBY', QUEUE, 'admitted', #jobs)
local answer = { 1, 0, 0, 0, cached() }
local are_left = true
if room then
  answer[6], answer[7], answer[8] = claim(room)
  are_left = answer[6] > 0
end
if are_left then redis.call('PUBLISH', WAKE, 'lanes') end
tell_untold()
return answer
