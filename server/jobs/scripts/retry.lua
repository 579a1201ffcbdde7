-- Queue a failed job again, by hand, with all its attempts before it.
-- Keys: job:*, batch:*, queue, queue:dead, expiry, waiting:*, ring:*, served:*; channels events:*, wake.
-- ARGV: id. Returns {1, 'queued'}, {0, the state that forbids it} or {0} for an unknown id.
local job = read(JOB .. ARGV[1])
if not job then return { 0 } end
if job.status ~= 'failed' then return { 0, job.status } end
if job.original_key == '' then return { 0, 'expired' } end -- a damaged picture is not kept
if job.dead then redis.call('XDEL', DEAD, job.dead) end
redis.call('ZREM', EXPIRY, job.id)
redis.call('PERSIST', JOB .. job.id)
if job.batch then
  redis.call('PERSIST', BATCH .. job.batch)
  redis.call('PERSIST', BATCH .. job.batch .. BATCH_JOBS)
end
redis.call('HDEL', JOB .. job.id, 'dead', 'error_code', 'error_detail', 'settled', 'losses', 'cancel')
line_up(job, false)
move(job, 'queued', { 'attempts', 0, 'stage', 'queued', 'progress', 0 })
redis.call('PUBLISH', WAKE, 1)
return { 1, 'queued' }
