-- Give a job back to the queue: at the front of its client's list, or after a delay.
-- Keys: job:*, batch:*, queue, queue:{class}, delayed, waiting:*, ring:*, served:*; channels events:*, wake.
-- ARGV: id; fencing token; delay in milliseconds; blame: attempt, loss or none; the reason.
-- Returns 'requeued', or 'stale' when the job is no longer this token's.
local id, token, delay, blame, reason = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local job = read(JOB .. id)
if not job or job.token ~= token or job.status ~= 'processing' then return 'stale' end

release(job)
if blame ~= 'attempt' then redis.call('HINCRBY', JOB .. id, 'attempts', -1) end
if blame == 'loss' then redis.call('HINCRBY', JOB .. id, 'losses', 1) end
local history = cjson.decode(job.history or '[]')
table.insert(history, reason)
if delay > 0 then
  redis.call('ZADD', DELAYED, whole(now_ms() + delay), id)
else
  line_up(job, true)
end
move(job, 'queued', { 'stage', 'queued', 'progress', 0, 'history', cjson.encode(history) })
redis.call('PUBLISH', WAKE, 1)
return 'requeued'
