-- What has become of a job, for the records: an entry carries all that they keep, since the job's
-- hash may be gone when it is read. Called by `move` alone, so that no end is left out.

local RECORDED = { 'id', 'revision', 'batch', 'client', 'source', 'image', 'name', 'original_bytes',
  'original_format', 'width', 'height', 'digest', 'recipe', 'private', 'cached', 'error_code',
  'error_detail', 'dead', 'attempts', 'losses', 'history', 'created', 'started', 'settled',
  'timings' }
local ENDS = { completed = true, failed = true, cancelled = true }

-- A failed job that is tried again is told, too. One that expires is told as it ended, with the
-- outputs that it had: `variants` are those before the move.
local function journal(id, from, to, variants)
  local expires = to == 'expired'
  if HAS_RECORDS ~= 1 or not (ENDS[to] or expires or from == 'failed') then return end
  local values = redis.call('HMGET', JOB .. id, unpack(RECORDED))
  local entry = { 'status', expires and from or to }
  for index, field in ipairs(RECORDED) do
    if values[index] then
      table.insert(entry, field)
      table.insert(entry, values[index])
    end
  end
  if expires then
    table.insert(entry, 'expired')
    local time = redis.call('TIME')
    table.insert(entry, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
  end
  if variants then
    table.insert(entry, 'variants')
    table.insert(entry, variants)
  end
  redis.call('XADD', JOURNAL, '*', unpack(entry))
end
