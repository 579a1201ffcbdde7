-- Stop a job.
-- Keys: job:*, batch:*, queue, delayed, expiry, result:*, followers:*, waiting:*, ring:*, served:*;
-- and those of outbox; channels events:*, cancel, wake.
-- ARGV: id. Returns the state it is in, or nothing for an unknown id.
local job = read(JOB .. ARGV[1])
if not job then return false end
cancel(job)
redis.call('PUBLISH', WAKE, 1) -- a follower may have taken its place
return job.status
