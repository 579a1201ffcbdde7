-- Give a job back to the queue: at the front of its client's list, or after a delay. One that was
-- asked to stop meanwhile is cancelled instead.
-- Keys: job:*, batch:*, queue, queue:{class}, delayed, expiry, result:*, followers:*, waiting:*,
-- ring:*, served:*, and those of remove and outbox; channels events:*, wake.
-- ARGV: id; fencing token; delay in milliseconds; blame: attempt, loss or none; the reason; the lane.
-- Returns 'requeued', 'cancelled', or 'stale' when the job is no longer this token's.
local id, token, delay, blame, reason = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local HISTORY_MOST = 50
local job = read(JOB .. id)
if not job or job.token ~= token or job.status ~= 'processing' then return 'stale' end

release(job)
if job.cancel then
  finish(job, 'cancelled', {})
  redis.call('PUBLISH', WAKE, 1)
  return 'cancelled'
end
if blame ~= 'attempt' then redis.call('HINCRBY', JOB .. id, 'attempts', -1) end
if blame == 'loss' then redis.call('HINCRBY', JOB .. id, 'losses', 1) end
local history = cjson.decode(job.history or '[]')
table.insert(history, reason)
if #history > HISTORY_MOST then table.remove(history, 1) end
if delay > 0 then
  redis.call('ZADD', DELAYED, whole(now_ms() + delay), id)
else
  line_up(job, true)
end
local lane = is_unfetched(job) and 'fetch' or ARGV[6] or ''
job.blame = blame -- for tell_move; it is no field of the hash
move(job, 'queued', { 'stage', 'queued', 'progress', 0, 'history', cjson.encode(history),
  'tries', with_try(job, whole(now_ms()), lane, reason, blame) })
redis.call('PUBLISH', WAKE, 1)
return 'requeued'
