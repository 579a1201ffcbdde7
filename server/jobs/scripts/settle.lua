-- End a job: result or error, lease, counters, batch, expiry and events in one move.
-- Keys: job:*, batch:*, queue, queue:{class}, queue:dead, expiry; channel events:*.
-- ARGV: id; fencing token; new state; milliseconds to keep it; 1 for quarantine; JSON of flat fields.
-- Returns 'settled', or 'stale' when the job is no longer this token's to settle, or 'unasked' when
-- it is to be cancelled though nobody asked for that.
local id, token, to, keep_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local job = read(JOB .. id)
if not job or job.token ~= token then return 'stale' end
if job.status ~= 'processing' then return job.status == to and 'settled' or 'stale' end
if to == 'cancelled' and not job.cancel then return 'unasked' end

release(job)
local fields = cjson.decode(ARGV[6])
local now = now_ms()
if ARGV[5] == '1' then
  table.insert(fields, 'dead')
  table.insert(fields, redis.call('XADD', DEAD, '*', 'id', id))
end
for _, part in ipairs({ 'settled', whole(now), 'stage', '' }) do table.insert(fields, part) end
move(job, to, fields)
keep(job, keep_ms)

local taken = math.max(1, now - tonumber(job.started))
local mean = tonumber(redis.call('HGET', QUEUE, 'mean_ms') or taken)
redis.call('HSET', QUEUE, 'mean_ms', whole(mean * 0.9 + taken * 0.1))
redis.call('HINCRBY', QUEUE, to, 1)
return 'settled'
