-- Let URLs in to be fetched, all of them or none; the first ones of a batch begin it, more of them
-- lengthen it. The recipe of a batch stands in it once.
-- Keys: job:*, batch:*, open, waiting:*, ring:*, served:*, unsettled, once:*,
-- queue; channels events:*, wake.
-- ARGV: the most URLs that may wait; JSON {class, client, batch, recipe, is_open, shared: flat
-- fields of all jobs, asked: those of jobs and batch, jobs: [{id, flat fields}], most_unsettled, once, callback: URL or ''}.
-- Returns {1, 0}, or {0, URLs that wait}, or {-4, 0}: the batch was closed meanwhile, or what
-- refused_at_the_door says.
local limit, request = tonumber(ARGV[1]), cjson.decode(ARGV[2])
local class, client, arriving = request.class, request.client, #request.jobs
local batch = request.batch ~= cjson.null and request.batch or nil
local callback = request.callback ~= '' and request.callback or nil -- of the batch, else of each job

if redis.call('EXISTS', JOB .. request.jobs[1][1]) == 1 then return { 1, 0 } end -- sent twice

if request.is_open and redis.call('EXISTS', BATCH .. batch) == 1
    and redis.call('HEXISTS', BATCH .. batch, 'open') == 0 then
  return { -4, 0 }
end

local depth = waiting_urls()
if depth + arriving > limit then
  redis.call('HINCRBY', QUEUE, 'rejected', arriving)
  return { 0, depth }
end

local once = request.once ~= cjson.null and request.once or nil
local refusal = refused_at_the_door(client, arriving, request.most_unsettled or 0, once)
if refusal then return refusal end

local created = whole(now_ms())
local common = { 'class', class, 'client', client, 'created', created, 'status', 'queued',
  'stage', 'queued', 'progress', 0, 'revision', 1, 'original_key', '' }
append(common, request.shared)
append(common, request.asked)
if batch then
  append(common, { 'batch', batch })
  if redis.call('HSETNX', BATCH .. batch, 'id', batch) == 1 then
    redis.call('HSET', BATCH .. batch, 'client', client, 'total', 0, 'revision', 0, 'created', created,
      'recipe', request.recipe, unpack(request.asked))
    if callback then redis.call('HSET', BATCH .. batch, 'callback', callback) end
  end
  redis.call('PERSIST', BATCH .. batch) -- all that came before may have ended
  redis.call('PERSIST', BATCH .. batch .. BATCH_JOBS)
  redis.call('HINCRBY', BATCH .. batch, 'total', arriving)
  redis.call('HINCRBY', BATCH .. batch, 'queued', arriving)
  if request.is_open then
    redis.call('HSET', BATCH .. batch, 'open', 1)
    redis.call('ZADD', OPEN, created, batch)
  end
elseif callback then
  append(common, { 'callback', callback })
end

-- As line_up does for one.
local list = WAITING .. class .. ':' .. client
local length = redis.call('LLEN', list)
if length == 0 then redis.call('RPUSH', RING .. class, client) end
local served = tonumber(redis.call('HGET', SERVED .. class, client) or 0)
for index, arrival in ipairs(request.jobs) do
  local id, fields = arrival[1], arrival[2]
  append(fields, common)
  redis.call('HSET', JOB .. id, 'id', id, 'ticket', whole(served + length + index), unpack(fields))
  redis.call('RPUSH', list, id)
  if batch then redis.call('RPUSH', BATCH .. batch .. BATCH_JOBS, id) end
end
redis.call('HINCRBY', QUEUE, WAITING .. class, arriving)
count_unsettled(client, arriving)
if once then keep_promise(once) end
redis.call('HINCRBY', QUEUE, 'admitted', arriving)
if batch then tell_batch(batch) end
redis.call('PUBLISH', WAKE, 'fetchers')
return { 1, 0 }
