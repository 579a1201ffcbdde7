-- How long things stay. What is held by nobody goes to the trash; the janitor deletes it from the
-- storage and then from the trash, so nothing is forgotten wherever one of them dies. A key in the
-- storage is never used for a second time: what lies in the trash can come back to no one.

local DAY_MS = 86400000
local leave_picture, take_derived_away -- in derived.lua

local function throw_away(kind, what)
  redis.call('ZADD', TRASH, whole(now_ms()), kind .. ' ' .. what)
end

-- Let go of a set of holders; true for the last one.
local function let_go(set, id)
  return redis.call('SREM', set, id) == 1 and redis.call('EXISTS', set) == 0
end

local function release_original(job)
  redis.call('ZREM', ORIGINALS, job.id)
  if job.original_key == '' then return end
  if let_go(BLOB .. job.digest, job.id) then throw_away('original', job.original_key) end
  redis.call('HSET', JOB .. job.id, 'original_key', '')
  job.original_key = ''
end

-- Others that show the same files keep them, and the next one like them is told of such a one.
local function release_result(job)
  if not job.maker then -- it has no result, but an attempt may have stored a part of one
    if job.token then throw_away('results', job.id) end
    return
  end
  local made = MADE .. job.maker
  if let_go(made, job.id) then throw_away('results', job.maker) end
  local pointer = RESULT .. (job.dedup or '')
  if job.dedup and redis.call('GET', pointer) == job.id then
    local other = redis.call('SRANDMEMBER', made)
    if other then redis.call('SET', pointer, other) else redis.call('DEL', pointer) end
  end
end

local function keep_ms(job)
  return tonumber(job.expires or KEEP_MS)
end

-- A batch is known for as long as its jobs are, counted from the end of the last one.
local function keep_batch(id, forgotten)
  local of_batch = redis.call('HMGET', BATCH .. id, 'total', 'queued', 'processing')
  local unsettled = tonumber(of_batch[2] or 0) + tonumber(of_batch[3] or 0)
  if not of_batch[1] or unsettled > 0 then return end
  redis.call('PEXPIREAT', BATCH .. id, forgotten)
  redis.call('PEXPIREAT', BATCH .. id .. BATCH_JOBS, forgotten)
  announce_batch(id)
end

-- What was made of a picture on first ask goes when that picture goes, and its hold of the original
-- when the picture's does.
local function due_with_picture(id, now)
  local result_due = tonumber(redis.call('ZSCORE', EXPIRY, id) or now)
  local key = redis.call('HGET', JOB .. id, 'original_key')
  if not key or key == '' then return result_due, now end
  return result_due, tonumber(redis.call('ZSCORE', ORIGINALS, id) or result_due)
end

-- A settled job is kept for a while; its original may go sooner or later than its result.
local function keep(job)
  local result_ms = keep_ms(job)
  local original_ms = math.min(KEEP_ORIGINAL_MS, tonumber(job.expires or KEEP_ORIGINAL_MS))
  local now = now_ms()
  local result_due, original_due = now + result_ms, now + original_ms
  if job.of then result_due, original_due = due_with_picture(job.of, now) end
  redis.call('ZADD', EXPIRY, whole(result_due), job.id)
  if original_due ~= result_due and job.original_key ~= '' then
    redis.call('ZADD', ORIGINALS, whole(original_due), job.id)
  end
  if job.batch and job.batch ~= quiet_batch then
    keep_batch(job.batch, whole(now + result_ms + math.min(result_ms, DAY_MS)))
  end
end

-- A batch may be forgotten before the janitor came to its jobs; counting would bring back a part.
local function leave_forgotten_batch(job)
  if job.batch and redis.call('EXISTS', BATCH .. job.batch) == 0 then
    redis.call('HDEL', JOB .. job.id, 'batch')
    job.batch = nil
  end
end

-- That a job expired is known for as long again as it was kept, a day at most. Its hash says what
-- it holds, so it stays in any case until it holds nothing.
local function forget_later(job)
  if job.status == 'expired' and job.original_key == '' then
    redis.call('PEXPIRE', JOB .. job.id, whole(math.min(keep_ms(job), DAY_MS)))
  end
end

-- End the time of a settled job; its original has a time of its own, unless all shall go now.
local function expire(job, with_original)
  redis.call('ZREM', EXPIRY, job.id)
  if MOVES[job.status].expired then
    if job.dead then redis.call('XDEL', DEAD, job.dead) end
    local was_shown = job.status == 'completed'
    release_result(job)
    leave_forgotten_batch(job)
    move(job, 'expired', { 'variants', '[]' })
    if was_shown then redis.call('PUBLISH', GONE, job.id) end
    leave_picture(job)
    take_derived_away(job)
  end
  if with_original or not redis.call('ZSCORE', ORIGINALS, job.id) then release_original(job) end
  forget_later(job)
end
