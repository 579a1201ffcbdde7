-- End a job: result or error, lease, counters, batch, expiry and events in one move; its followers
-- end with it.
-- Keys: job:*, batch:*, queue, queue:{class}, queue:dead, expiry, blob:*, made:*, result:*,
-- followers:*, trash, and those of remove and outbox; channels events:*, wake.
-- ARGV: id; fencing token; new state; 1 for quarantine; 1 when the picture is at fault, so that its
-- original goes; JSON of flat fields.
-- Returns {'settled', how many followers ended with it (-1: all had ended before)}, or {'stale'} when the job is no longer this
-- token's to settle, or {'unasked'} when it is to be cancelled though nobody asked for that.
local id, token, to = ARGV[1], ARGV[2], ARGV[3]
local job = read(JOB .. id)
if not job or job.token ~= token then return { 'stale' } end
if job.status ~= 'processing' then return { job.status == to and 'settled' or 'stale', -1 } end
if to == 'cancelled' and not job.cancel then return { 'unasked' } end

release(job)
local fields = cjson.decode(ARGV[6])
local now = now_ms()
if ARGV[4] == '1' then
  -- A field of the leader alone: its followers failed with it and are not in quarantine.
  local dead = redis.call('XADD', DEAD, '*', 'id', id)
  redis.call('HSET', JOB .. id, 'dead', dead)
  job.dead = dead
end
local settled = { 'settled', tonumber(job.followers or 0) }
append(fields, { 'ticks', ((job.ticks or '') .. '00'):sub(1, 2) .. tenth() })
finish(job, to, fields, ARGV[5] == '1')
if to == 'cancelled' then redis.call('PUBLISH', WAKE, 1) end

if is_unfetched(job) then return settled end -- says nothing of how long the work takes
local taken = math.max(1, now - tonumber(job.started))
local mean = tonumber(redis.call('HGET', QUEUE, 'mean_ms') or taken)
redis.call('HSET', QUEUE, 'mean_ms', whole(mean * 0.9 + taken * 0.1))
if to == 'completed' then redis.call('HINCRBY', QUEUE, 'developed', 1) end
return settled
