-- Note that a settled job's files are gone.
-- Keys: job:*, batch:*, expiry, failed, queue:dead; channel events:*.
-- ARGV: id.
local job = read(JOB .. ARGV[1])
redis.call('ZREM', EXPIRY, ARGV[1])
redis.call('ZREM', FAILED, ARGV[1])
if job and job.dead then redis.call('XDEL', DEAD, job.dead) end
if job and MOVES[job.status] and MOVES[job.status].expired then
  move(job, 'expired', { 'variants', '[]' })
end
