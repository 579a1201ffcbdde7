-- Nothing is done twice: the same bytes lie in the storage once, the same work is done once.
-- blob:{sha256} and made:{maker id} are sets of holders and no numbers: letting go twice does no
-- harm, and any holder can be asked where the files lie. result:{dedup digest} names the job to
-- join or to take the result from; a job without `dedup` keeps to itself.
--
-- Any way in ends with `arrive(job)`: see there.

local start -- below

-- The bytes that a job brought become the original of their digest, or go in favour of an older one.
local function adopt(job)
  local blob, key = BLOB .. job.digest, nil
  while not key do
    local holder = redis.call('SRANDMEMBER', blob)
    if not holder then break end
    key = redis.call('HGET', JOB .. holder, 'original_key')
    if not key or key == '' then -- it holds nothing: a Redis that lost a part of its data
      redis.call('SREM', blob, holder)
      key = nil
    end
  end
  redis.call('SADD', blob, job.id)
  if key and key ~= job.original_key then
    throw_away('original', job.original_key)
    redis.call('HSET', JOB .. job.id, 'original_key', key)
    job.original_key = key
    redis.call('HINCRBY', QUEUE, 'same_bytes', 1)
  end
end

local function has_dedup(job)
  return job.dedup and job.dedup ~= ''
end

-- The job to join or to take the result from. An interactive one never waits behind a bulk one
-- that still waits itself; a leader has a most of followers, and so has the queue.
local function same_result(job)
  local id = has_dedup(job) and redis.call('GET', RESULT .. job.dedup)
  if not id or id == job.id then return nil end
  local same = read(JOB .. id)
  if not same then return nil end
  if same.status == 'completed' then return same end
  if same.status ~= 'queued' and same.status ~= 'processing' then return nil end
  if same.status == 'queued' and same.class == 'bulk' and job.class == 'interactive' then
    return nil
  end
  if tonumber(same.followers or 0) >= FOLLOWERS_MOST then return nil end
  return counter('following') < FOLLOWING_MOST and same or nil
end

-- Move a job that may have a state already; where there is no direct way it goes by the queue.
local function bring(job, to, fields)
  if job.status and not MOVES[job.status][to] then move(job, 'queued', {}) end
  if job.status ~= to then return move(job, to, fields) end
  note(job, fields)
  change(job.id, fields)
end

-- Forget that a failed or cancelled job was the one to join.
local function drop_pointer(job)
  if has_dedup(job) and redis.call('GET', RESULT .. job.dedup) == job.id then
    redis.call('DEL', RESULT .. job.dedup)
  end
end

-- End a job with flat fields, and its followers with it or, when it is cancelled, in its place.
-- at_fault: the picture itself is to blame and is not kept.
local function finish(job, to, fields, at_fault)
  append(fields, { 'settled', whole(now_ms()), 'stage', '' })
  if follows(job) then append(fields, { 'leader', '' }) end
  if to == 'completed' then
    local maker = job.maker or job.id
    redis.call('SADD', MADE .. maker, job.id)
    append(fields, { 'progress', 100, 'maker', maker })
    if has_dedup(job) then redis.call('SET', RESULT .. job.dedup, job.id, 'NX') end
  else
    drop_pointer(job)
  end
  local led = {}
  each_follower(job, function(follower) table.insert(led, follower) end)
  if #led > 0 then
    redis.call('DEL', FOLLOWERS .. job.id)
    append(fields, { 'followers', 0 })
  end
  local shared = { unpack(fields) }
  bring(job, to, fields)
  if at_fault then release_original(job) end
  keep(job)
  add(QUEUE, to, 1)

  if to == 'cancelled' then
    -- The first one leads the others then, but no interactive one shall wait behind bulk.
    for _, class in ipairs({ 'interactive', 'bulk', AI_CLASS }) do
      for _, follower in ipairs(led) do
        if follower.class == class then
          count(follower, follower.status, -1)
          follower.status = nil
          note(follower, { 'leader', '' })
          redis.call('HSET', JOB .. follower.id, 'leader', '')
          start(follower, true)
          if follower.batch then tell_batch(follower.batch) end
        end
      end
    end
  else
    for _, follower in ipairs(led) do
      follower.maker = job.maker
      finish(follower, to, { unpack(shared) }, at_fault)
    end
  end
  if job.doomed then expire(job, true) end
end

-- Complete a job by what another has made.
local function reuse(job, same)
  if job.token then throw_away('results', job.id) end -- what an attempt of its own left
  job.maker = same.maker
  redis.call('SET', RESULT .. job.dedup, job.id)
  redis.call('HINCRBY', QUEUE, 'reused', 1)
  local fields = { 'variants', same.variants, 'cached', 1 }
  if same.look then append(fields, { 'look', same.look }) end
  if same.engines then append(fields, { 'engines', same.engines }) end
  finish(job, 'completed', fields)
end

local function follow(job, leader)
  redis.call('RPUSH', FOLLOWERS .. leader.id, job.id)
  redis.call('HINCRBY', JOB .. leader.id, 'followers', 1)
  redis.call('HINCRBY', QUEUE, 'joined', 1)
  bring(job, leader.status, { 'leader', leader.id, 'stage', leader.stage,
    'progress', leader.progress, 'started', leader.started or '' })
end

local function unfollow(job)
  redis.call('LREM', FOLLOWERS .. job.leader, 1, job.id)
  redis.call('HINCRBY', JOB .. job.leader, 'followers', -1)
end

-- Where a job goes that has its original: to the result that exists, behind the one that makes it,
-- or into its own line. A job without a state is new: its hash is written, its batch not told.
start = function(job, at_front)
  local same = same_result(job)
  if same and same.status == 'completed' then return reuse(job, same) end
  if same then return follow(job, same) end
  if has_dedup(job) then redis.call('SET', RESULT .. job.dedup, job.id) end
  line_up(job, at_front)
  bring(job, 'queued', { 'stage', 'queued', 'progress', 0 })
end

-- The end of every way in: `job` is the table of a job whose hash stands in Redis with all fields
-- of an Arrival, whose file lies under `original_key` (a key of its own), and that nothing holds
-- or counts but its state, if it has one. A new job (an upload) has no status, neither here nor in
-- the hash. One that was fetched is `processing`; release its lease and write its new fields
-- (class, digest, original_key, dedup, ...) into hash and table first. Afterwards job.status says
-- what has become of it: queued, processing (it follows one that runs) or completed.
local function arrive(job)
  if job.network == '1' then -- what networks work on has a line of its own
    job.class = AI_CLASS
    redis.call('HSET', JOB .. job.id, 'class', AI_CLASS)
  end
  adopt(job)
  start(job, false)
end

-- Stop a job: at once while it waits (its id stays in the list as a tombstone that claim drops) or
-- follows; a running one is asked to stop through its node.
local function cancel(job)
  if follows(job) then
    unfollow(job)
    finish(job, 'cancelled', {})
  elseif job.status == 'queued' then
    redis.call('ZREM', DELAYED, job.id)
    finish(job, 'cancelled', {})
  elseif job.status == 'processing' then
    redis.call('HSET', JOB .. job.id, 'cancel', 1)
    redis.call('PUBLISH', CANCEL, job.id)
  end
end
