-- Remove a picture before its time, original and results; one that runs is stopped first and goes
-- when it has stopped. What others hold, too, stays theirs.
-- Keys: job:*, batch:*, queue, delayed, expiry, expiry:originals, failed, queue:dead, blob:*,
-- made:*, result:*, followers:*, trash, waiting:*, ring:*, served:*; channels events:*, cancel, wake.
-- ARGV: id. Returns the state it is in, or nothing for an unknown id.
local job = read(JOB .. ARGV[1])
if not job then return false end
if job.status == 'processing' and not follows(job) then
  redis.call('HSET', JOB .. job.id, 'doomed', 1)
end
cancel(job)
if job.status ~= 'processing' then expire(job, true) end
redis.call('PUBLISH', WAKE, 1)
return job.status
