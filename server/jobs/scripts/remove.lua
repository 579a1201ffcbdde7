-- Remove a picture before its time, original and results; one that runs is stopped first and goes
-- when it has stopped. What others hold, too, stays theirs.
-- Keys: job:*, batch:*, queue, delayed, expiry, expiry:originals, failed, queue:dead, blob:*,
-- made:*, result:*, followers:*, derived:*, trash, waiting:*, ring:*, served:*,
-- and those of outbox; channels events:*, cancel, gone, wake.
-- ARGV: id. Returns the state it is in, or nothing for an unknown id.
local job = read(JOB .. ARGV[1])
if not job then return false end
take_away(job)
redis.call('PUBLISH', WAKE, 1)
return job.status
