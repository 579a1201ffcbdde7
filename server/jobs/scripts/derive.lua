-- Let in the job that makes something of a stored picture, unless there is one: of all who ask at
-- one moment, on whatever nodes, one makes it.
-- Keys: job:*, derived:*, blob:*, result:*, made:*, followers:*, trash, expiry, waiting:*, ring:*,
-- served:*, unsettled, queue; channels events:*, gone, wake, and those of remove.
-- ARGV: the most jobs that may wait; the most bytes beyond that (0: none); JSON {picture,
-- original_key, name: the field of derived:{picture}, id, class, fields, most_unsettled, most, retry_ms}.
-- Returns {'made' or 'there', id}, {'refused', JSON}, {'gone'}: the picture or its original,
-- {'many', how many there are}, {'full', depth, milliseconds until there may be room} or
-- {'quota', unsettled jobs, milliseconds}.
local limit, spool_limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local request = cjson.decode(ARGV[3])
local picture_job = read(JOB .. request.picture)
if not picture_job or picture_job.status ~= 'completed' then return { 'gone' } end

local map = DERIVED .. picture_job.id
local there = standing(map, request.name, request.retry_ms)
if there then
  if is_refusal(there) then return { 'refused', string.sub(there, 2) } end
  return { 'there', there }
end
if picture_job.original_key == '' or picture_job.original_key ~= request.original_key then
  return { 'gone' }
end
if not has_room(map, request.most) then return { 'many', redis.call('HLEN', map) } end

local client = picture_job.client
local refusal = refused_at_the_door(client, 1, request.most_unsettled, nil)
if refusal then return { 'quota', refusal[2], refusal[3] } end

local job = { id = request.id, class = request.class, client = client, created = whole(now_ms()),
  revision = '0' }
note(job, request.fields)
note(job, { 'of', picture_job.id, 'image', picture_job.id, 'source', 'derived' })
local depth = waiting()
local bytes = counter('waiting_bytes') + tonumber(job.original_bytes)
if depth >= limit and bytes > spool_limit and not same_result(job) then
  redis.call('HINCRBY', QUEUE, 'rejected', 1)
  return { 'full', depth, math.ceil(drain_ms(math.max(depth + 1 - limit, limit / 10))) }
end

local flat = {}
for name, value in pairs(job) do append(flat, { name, value }) end
redis.call('HSET', JOB .. job.id, unpack(flat))
redis.call('HSET', map, request.name, job.id)
arrive(job)
redis.call('HINCRBY', QUEUE, 'admitted', 1)
redis.call('PUBLISH', WAKE, 1)
return { 'made', job.id }
