-- In front of every script: the clock, reading a hash, one way to change a job and to tell of it.
-- The names in capitals come from names.py, MOVES from job.py, limits and times from scripts.py.
-- After this file come lifetime.lua, same.lua and line.lua, then the script itself.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The digit that now_ms() leaves out: the tenth of the millisecond. A job's `ticks` are those of
-- created (or, of a fetched one, arrived), started and settled, for who looks at it closely.
local function tenth()
  return tostring(math.floor(redis.call('TIME')[2] / 100) % 10)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function read(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then return nil end
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- Take flat fields over into the table of a job.
local function note(job, fields)
  for i = 1, #fields, 2 do job[fields[i]] = tostring(fields[i + 1]) end
end

local function append(fields, more)
  for _, part in ipairs(more) do table.insert(fields, part) end
end

local function counter(name)
  return tonumber(redis.call('HGET', QUEUE, name) or 0)
end

local function waiting()
  local sum = 0
  for _, count in ipairs(redis.call('HMGET', QUEUE, WAITING .. 'interactive', WAITING .. 'bulk',
      WAITING .. AI_CLASS)) do
    sum = sum + tonumber(count or 0)
  end
  return sum
end

local URL_CLASSES = { fetch = true, ['fetch-bulk'] = true }

-- Whether the picture is still behind its URL, so that the job's line is one of the fetchers'.
local function is_unfetched(job)
  return URL_CLASSES[job.class]
end

local function waiting_urls()
  return counter(WAITING .. 'fetch') + counter(WAITING .. 'fetch-bulk')
end

-- Milliseconds until `jobs` more have left the queue, by the mean time of a job and all lanes; and
-- whether no node works, so that nobody can tell.
local function drain_ms(jobs)
  local found = redis.call('HMGET', QUEUE, 'mean_ms', 'lanes')
  local mean_ms, lanes = tonumber(found[1] or 1000), tonumber(found[2] or 0)
  return jobs * mean_ms / math.max(1, lanes), found[2] == '0'
end

-- Whether the job has a leader: another one does the work for both.
local function follows(job)
  return job.leader and job.leader ~= ''
end

-- The place in line, from counters alone: the client's own jobs ahead, times the clients in the
-- ring. A follower stands where its leader does.
local function place(job)
  if follows(job) then
    local line = redis.call('HMGET', JOB .. job.leader, 'class', 'client', 'ticket')
    if line[1] then job = { class = line[1], client = line[2], ticket = line[3] } end
  end
  local served = tonumber(redis.call('HGET', SERVED .. job.class, job.client) or 0)
  local ahead = tonumber(job.ticket or 1) - served - 1
  local clients = redis.call('LLEN', RING .. job.class)
  local position = math.max(1, math.min(counter(WAITING .. job.class), ahead * clients + 1))
  if job.class == 'bulk' then position = position + counter(WAITING .. 'interactive') end
  if is_unfetched(job) then position = position + waiting() end -- those are fetched already
  return position
end

-- A job's fields with, while it waits, its place in line.
local function picture(job)
  if job.status == 'queued' then
    local position = place(job)
    job.position = whole(position)
    local ms, is_unknown = drain_ms(position)
    if not is_unknown then job.eta = whole(ms) end
  end
  return cjson.encode(job)
end

local unwatched = {} -- of a script that moves many jobs: those of which nobody would hear
local buried = {} -- what this script has ended because it was damaged
local untold -- of a script that may move a job twice: whose watchers are told once, at its end

-- Tell the watchers of a job; returns what they were told. Where there are none nothing is made,
-- unless it is the end, of which webhooks may want the text.
local function tell(id, is_end)
  if unwatched[id] then return end
  if untold and not is_end then
    untold[id] = true
    return
  end
  if not is_end and redis.call('PUBSUB', 'NUMSUB', EVENTS .. id)[2] == 0 then return end
  local job = read(JOB .. id)
  for _, name in ipairs({ 'recipe', 'came', 'work', 'tries', 'ticks', 'request', 'trace' }) do job[name] = nil end -- no watcher needs them
  local text = picture(job)
  redis.call('PUBLISH', EVENTS .. id, text)
  return text
end

local function tell_untold()
  local ids = untold
  untold = nil
  for id in pairs(ids) do tell(id) end
end

local quiet_batch -- a batch of which is told once, at the end of a script that moves many of its jobs

local function tell_batch(id)
  if id == quiet_batch then return end
  redis.call('HINCRBY', BATCH .. id, 'revision', 1)
  redis.call('PUBLISH', EVENTS .. id, cjson.encode(read(BATCH .. id)))
end

-- Write fields (a flat list) into a job, grow its revision, tell its watchers. Returns both.
local function change(id, fields, is_end)
  redis.call('HSET', JOB .. id, unpack(fields))
  local revision = redis.call('HINCRBY', JOB .. id, 'revision', 1)
  return revision, tell(id, is_end)
end

local announce -- the webhooks of a move: outbox.lua

local tallies -- of a script that moves many jobs: what counters grow by, written once at its end

-- Let a counter grow. UNSETTLED is one of each client, for its quota; whoever has none is forgotten.
local function add(key, field, by)
  if tallies then
    local name = key .. ' ' .. field -- no key has a space
    tallies[name] = (tallies[name] or 0) + by
    return
  end
  local sum = redis.call('HINCRBY', key, field, by)
  if key == UNSETTLED and sum <= 0 then redis.call('HDEL', UNSETTLED, field) end
end

local function write_tallies()
  local all = tallies
  tallies = nil
  for name, by in pairs(all) do
    local key, field = string.match(name, '^(%S+) (.*)$')
    if by ~= 0 then add(key, field, by) end
  end
end

-- In front of each script that Redis keeps as a function: the call before may have ended midway.
local function begin()
  if next(unwatched) then unwatched = {} end
  if next(buried) then buried = {} end
  quiet_batch, tallies, untold = nil, nil, nil
end

local function count_unsettled(client, by)
  add(UNSETTLED, client, by)
end

local IS_UNSETTLED = { queued = true, processing = true }

-- Followers are no work: they stand in a counter of their own.
-- stays: the move is from one unsettled state to the other, so that its client has as many as before.
local function count(job, state, by, stays)
  if IS_UNSETTLED[state] and not stays then count_unsettled(job.client, by) end
  if follows(job) then
    if state == 'queued' or state == 'processing' then add(QUEUE, 'following', by) end
  elseif state == 'queued' then
    add(QUEUE, WAITING .. job.class, by)
    add(QUEUE, 'waiting_bytes', by * tonumber(job.original_bytes or 0))
  elseif state == 'processing' then
    add(QUEUE, 'processing', by)
  end
  if job.batch then add(BATCH .. job.batch, state, by) end
end

local function each_follower(job, act)
  if tonumber(job.followers or 0) == 0 then return end
  for _, id in ipairs(redis.call('LRANGE', FOLLOWERS .. job.id, 0, -1)) do
    local follower = read(JOB .. id)
    if follower then act(follower) end
  end
end

-- One line for those who watch the whole service; costs a few microseconds where nobody does. Its
-- last word says why: the code of a failure, or who is to blame that a job was given back.
local function tell_move(job, from, to)
  local why = to == 'failed' and job.error_code or to == 'queued' and job.blame
  redis.call('PUBLISH', MOVED, table.concat({ job.id, from or '-', to, job.class, job.node or '-',
    why or '-' }, ' '))
end

-- Take a job from its state to another, with all that depends on it; one without a state is new.
-- Fields (a flat list) are written with it. An impossible move raises. While a leader waits or
-- runs, its followers are shown as it is.
local function move(job, to, fields)
  local from, variants = job.status, job.variants
  if from and not (MOVES[from] and MOVES[from][to]) then
    error('impossible move of job ' .. job.id .. ' from ' .. from .. ' to ' .. to)
  end
  local stays = IS_UNSETTLED[from] and IS_UNSETTLED[to]
  if from then count(job, from, -1, stays) end
  append(fields, { 'status', to })
  note(job, fields)
  count(job, to, 1, stays)
  if to == 'failed' then redis.call('ZADD', FAILED, whole(now_ms()), job.id) end
  if from == 'failed' then redis.call('ZREM', FAILED, job.id) end
  local revision, text = change(job.id, fields, ENDS[to] or to == 'expired')
  job.revision = tostring(revision)
  announce(job, to, revision, text)
  tell_move(job, from, to)
  journal(job.id, from, to, to == 'expired' and variants or job.variants)
  if job.batch and from then tell_batch(job.batch) end
  if to == 'queued' or to == 'processing' then
    each_follower(job, function(follower)
      if follower.status == to then return end
      follower.blame = job.blame
      move(follower, to, { 'stage', job.stage, 'progress', job.progress,
        'started', job.started or '' })
    end)
  end
end

local function waiting_list(job)
  return WAITING .. job.class .. ':' .. job.client
end

-- Put a job at the front or the back of its client's list; the ring knows every client with work.
local function line_up(job, at_front)
  local list = waiting_list(job)
  if redis.call('LLEN', list) == 0 then redis.call('RPUSH', RING .. job.class, job.client) end
  if at_front then
    redis.call('LPUSH', list, job.id)
    local served = redis.call('HINCRBY', SERVED .. job.class, job.client, -1)
    redis.call('HSET', JOB .. job.id, 'ticket', whole(served + 1))
  else
    local length = redis.call('RPUSH', list, job.id)
    local served = tonumber(redis.call('HGET', SERVED .. job.class, job.client) or 0)
    redis.call('HSET', JOB .. job.id, 'ticket', whole(served + length))
  end
end

-- An attempt that did not end its job, for who looks how the job went; only the newest few.
local TRIES_MOST = 8
local function with_try(job, ended, lane, reason, blame)
  local tries = cjson.decode(job.tries or '[]')
  table.insert(tries, { tonumber(job.started or ended), tonumber(ended), lane, reason, blame })
  if #tries > TRIES_MOST then table.remove(tries, 1) end
  return cjson.encode(tries)
end

-- Give up the lease: acknowledged and deleted together, or the stream would grow for ever.
local function release(job)
  redis.call('XACK', STREAM .. job.class, GROUP, job.entry)
  redis.call('XDEL', STREAM .. job.class, job.entry)
end

-- A Redis that lost its data while we ran has no consumer groups any more.
local function ensure_groups()
  local there = redis.call('EXISTS', STREAM .. 'interactive', STREAM .. 'bulk', STREAM .. AI_CLASS,
    STREAM .. 'fetch', STREAM .. 'fetch-bulk')
  if there == 5 then return end
  for _, class in ipairs({ 'interactive', 'bulk', AI_CLASS, 'fetch', 'fetch-bulk' }) do
    if redis.call('EXISTS', STREAM .. class) == 0 then
      redis.call('XGROUP', 'CREATE', STREAM .. class, GROUP, '0', 'MKSTREAM')
    end
  end
end
