-- Queue a failed job again, by hand, with all its attempts before it.
-- Keys: job:*, batch:*, queue, queue:dead, expiry, waiting:*, ring:*, served:*; channels events:*, wake.
-- ARGV: id. Returns 'queued', the state that forbids it, or nothing for an unknown id.
local job = read(JOB .. ARGV[1])
if not job then return false end
if job.status ~= 'failed' then return job.status end
if job.original_key == '' then return 'expired' end -- a damaged picture is not kept
if job.dead then redis.call('XDEL', DEAD, job.dead) end
redis.call('ZREM', EXPIRY, job.id)
redis.call('PERSIST', JOB .. job.id)
redis.call('HDEL', JOB .. job.id, 'dead', 'error_code', 'error_detail', 'settled', 'losses')
line_up(job, false)
move(job, 'queued', { 'attempts', 0, 'stage', 'queued', 'progress', 0 })
redis.call('PUBLISH', WAKE, 1)
return 'queued'
