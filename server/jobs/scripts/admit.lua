-- Let jobs in, all of them or none: hashes, waiting list, ring, counters, batch, events, wake.
-- Keys: job:*, batch:*, waiting:*, ring:*, served:*, queue; channels events:*, wake.
-- ARGV: the most jobs that may wait; the most bytes beyond that (0: none); the bytes that come;
-- JSON {class, client, batch, jobs: [{id, fields}]}.
-- Returns {1, 0, 0, 0}, or {0, depth, bytes that wait, milliseconds until there may be room}.
local limit, spool_limit, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local request = cjson.decode(ARGV[4])
local arriving = #request.jobs
local created = whole(now_ms())

if redis.call('EXISTS', JOB .. request.jobs[1].id) == 1 then return { 1, 0, 0, 0 } end -- sent twice

local depth = waiting()
if depth + arriving > limit and counter('waiting_bytes') + bytes > spool_limit then
  redis.call('HINCRBY', QUEUE, 'rejected', arriving)
  local wait_ms = math.ceil(drain_ms(math.max(depth + arriving - limit, limit / 10)))
  return { 0, depth, counter('waiting_bytes'), wait_ms }
end

local batch = request.batch ~= cjson.null and request.batch or nil
if batch then
  redis.call('HSET', BATCH .. batch, 'id', batch, 'total', arriving, 'queued', arriving,
    'revision', 0, 'created', created)
end
for _, arrival in ipairs(request.jobs) do
  local job = { id = arrival.id, class = request.class, client = request.client, batch = batch }
  redis.call('HSET', JOB .. job.id, 'id', job.id, 'status', 'queued', 'stage', 'queued',
    'class', job.class, 'client', job.client, 'created', created, 'revision', 0,
    unpack(arrival.fields))
  if batch then
    redis.call('HSET', JOB .. job.id, 'batch', batch)
    redis.call('RPUSH', BATCH .. batch .. BATCH_JOBS, job.id)
  end
  redis.call('HINCRBY', QUEUE, WAITING .. job.class, 1)
  line_up(job, false)
  change(job.id, { 'progress', 0 })
end
redis.call('HINCRBY', QUEUE, 'admitted', arriving)
redis.call('HINCRBY', QUEUE, 'waiting_bytes', bytes)
redis.call('PUBLISH', WAKE, arriving)
return { 1, 0, 0, 0 }
