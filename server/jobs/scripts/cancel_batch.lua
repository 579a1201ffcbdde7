-- Stop a part of a batch's jobs. Keys: those of cancel, batch:*:jobs.
-- ARGV: id; first and last place in the batch. Returns how many jobs stand there.
local ids = redis.call('LRANGE', BATCH .. ARGV[1] .. BATCH_JOBS, ARGV[2], ARGV[3])
quiet_batch = ARGV[1]
for _, id in ipairs(ids) do
  local job = read(JOB .. id)
  if job then cancel(job) end
end
quiet_batch = nil
if #ids > 0 then
  tell_batch(ARGV[1])
  redis.call('PUBLISH', WAKE, 1)
end
return #ids
