-- Queue a failed job again, by hand, with all its attempts before it; or let it join one like it
-- that is under way, or take a result that there is meanwhile.
-- Keys: job:*, batch:*, queue, queue:dead, expiry, expiry:originals, result:*, made:*, followers:*,
-- trash, waiting:*, ring:*, served:*; channels events:*, wake.
-- ARGV: id. Returns {1, its new state}, {0, the state that forbids it} or {0} for an unknown id.
local job = read(JOB .. ARGV[1])
if not job then return { 0 } end
if job.status ~= 'failed' then return { 0, job.status } end
if job.original_key == '' and not is_unfetched(job) then return { 0, 'expired' } end -- a damaged picture is not kept
if job.dead then redis.call('XDEL', DEAD, job.dead) end
redis.call('ZREM', EXPIRY, job.id)
redis.call('ZREM', ORIGINALS, job.id)
leave_forgotten_batch(job)
if job.batch then
  redis.call('PERSIST', BATCH .. job.batch)
  redis.call('PERSIST', BATCH .. job.batch .. BATCH_JOBS)
  reopen_batch(job.batch)
end
if job.settled then
  local tries = with_try(job, job.settled, is_unfetched(job) and 'fetch' or '', job.error_code or '')
  redis.call('HSET', JOB .. job.id, 'tries', tries)
  job.tries = tries
end
for _, name in ipairs({ 'dead', 'error_code', 'error_detail', 'settled', 'losses', 'cancel', 'work' }) do
  redis.call('HDEL', JOB .. job.id, name)
  job[name] = nil
end
redis.call('HSET', JOB .. job.id, 'attempts', 0)
if is_unfetched(job) then -- it failed before there was a picture
  line_up(job, false)
  bring(job, 'queued', { 'stage', 'queued', 'progress', 0 })
else
  start(job, false)
end
redis.call('PUBLISH', WAKE, 1)
return { 1, job.status }
