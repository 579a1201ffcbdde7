-- A job whose hash is damaged ends as failed: nobody could ever end it otherwise, and each lease on it
-- would be followed by another. What is sound of the hash stays, so that it can be shown and counted.

local NUMBERS = { 'revision', 'created', 'started', 'original_bytes', 'cost', 'width', 'height',
  'attempts', 'losses', 'token', 'followers', 'ticket', 'expires' }
local TEXTS = { 'recipe', 'batch', 'callback', 'private', 'digest', 'dedup', 'original_format', 'source',
  'url', 'image', 'of', 'leader', 'maker', 'request', 'trace', 'doomed' }
local LINES = { interactive = true, bulk = true, [AI_CLASS] = true, fetch = true, ['fetch-bulk'] = true }

-- Empty is what is not known yet.
local function is_number(value)
  return #value < 17 and string.match(value, '^%-?%d*$') ~= nil
end

-- Whether a move of this job would fail midway. What only Python reads, Python finds.
local function is_broken(id, job)
  if job.id ~= id or not (job.client and tonumber(job.revision) and tonumber(job.created)) then
    return true
  end
  if not MOVES[job.status] or not LINES[job.class] then return true end
  for _, name in ipairs(NUMBERS) do
    if job[name] and not is_number(job[name]) then return true end
  end
  if not (is_unfetched(job) or tonumber(job.cost)) then return true end
  return job.status == 'processing' and not (tonumber(job.started) and tonumber(job.token) and job.entry)
end

-- known: status, class and, where they are known from elsewhere than the hash, client and the entry
-- of the lease.
local function bury(id, known, why)
  local job = read(JOB .. id)
  local sound = { id = id, status = known.status, class = known.class, revision = '0',
    client = known.client or job.client or '', name = job.name or '',
    original_key = job.original_key or '', created = whole(now_ms()) }
  for _, name in ipairs(TEXTS) do sound[name] = job[name] end
  for _, name in ipairs(NUMBERS) do
    if job[name] and is_number(job[name]) then sound[name] = job[name] end
  end
  sound.followers = tostring(redis.call('LLEN', FOLLOWERS .. id))
  local flat = {}
  for name, value in pairs(sound) do append(flat, { name, value }) end
  redis.call('DEL', JOB .. id)
  redis.call('HSET', JOB .. id, unpack(flat))
  if known.entry then release({ class = known.class, entry = known.entry }) end
  leave_forgotten_batch(sound)
  if sound.status == 'queued' then -- by the table of moves, and its followers with it
    move(sound, 'processing', { 'stage', '', 'progress', 0, 'started', whole(now_ms()) })
  end
  finish(sound, 'failed', { 'error_code', 'job_unreadable', 'error_detail', why })
  table.insert(buried, id)
end
