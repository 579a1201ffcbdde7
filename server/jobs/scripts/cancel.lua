-- Stop a job: at once while it waits (its id stays in the list as a tombstone that claim drops);
-- a running one is asked to stop through its node.
-- Keys: job:*, batch:*, queue, delayed, expiry; channels events:*, cancel.
-- ARGV: id; milliseconds to keep it. Returns the state it is in, or nothing for an unknown id.
local job = read(JOB .. ARGV[1])
if not job then return false end
if job.status == 'queued' then
  redis.call('ZREM', DELAYED, job.id)
  move(job, 'cancelled', { 'settled', whole(now_ms()), 'stage', '' })
  keep(job, tonumber(ARGV[2]))
  redis.call('HINCRBY', QUEUE, 'cancelled', 1)
  return 'cancelled'
end
if job.status == 'processing' then
  redis.call('HSET', JOB .. job.id, 'cancel', 1)
  redis.call('PUBLISH', CANCEL, job.id)
end
return job.status
