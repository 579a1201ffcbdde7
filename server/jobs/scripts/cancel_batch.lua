-- Stop a part of a batch's jobs. Keys: those of cancel, batch:*:jobs.
-- ARGV: id; first and last place in the batch. Returns how many jobs stand there.
-- What is the same for all of them is done once, at the end: counters, what the batch is told and
-- how long it is kept. Jobs that nobody watches are told to nobody.
local ids = redis.call('LRANGE', BATCH .. ARGV[1] .. BATCH_JOBS, ARGV[2], ARGV[3])
if #ids == 0 then return 0 end

local channels, watchers = {}, {}
for index, id in ipairs(ids) do channels[index] = EVENTS .. id end
local numbers = redis.call('PUBSUB', 'NUMSUB', unpack(channels))
for index, id in ipairs(ids) do watchers[id] = numbers[2 * index] end

quiet_batch, tallies = ARGV[1], {}
local ended
for _, id in ipairs(ids) do
  local job = read(JOB .. id)
  if job then
    unwatched[id] = watchers[id] == 0 and not job.callback and not SUBSCRIBERS['job.cancelled']
    cancel(job)
    if job.status == 'cancelled' then ended = job end
  end
end
quiet_batch = nil
write_tallies()
if ended then
  local kept_ms = keep_ms(ended)
  keep_batch(ARGV[1], whole(now_ms() + kept_ms + math.min(kept_ms, DAY_MS)))
end
tell_batch(ARGV[1])
redis.call('PUBLISH', WAKE, 1)
return #ids
