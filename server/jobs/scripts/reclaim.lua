-- Find jobs whose lease has run out, or, at start, the ones this node held when it died.
-- Keys: queue:{class}, job:*.
-- ARGV: node; milliseconds without renewal, or 'own' for this node's own leases.
-- Returns the jobs as JSON; each is now leased to this node, to be requeued or settled by it. And the
-- ids of damaged ones that have ended.
local node, idle = ARGV[1], ARGV[2]

local function own(stream)
  local ids = {}
  for _, pending in ipairs(redis.call('XPENDING', stream, GROUP, '-', '+', 1000, node)) do
    table.insert(ids, pending[1])
  end
  if #ids == 0 then return {} end
  return redis.call('XCLAIM', stream, GROUP, node, 0, unpack(ids))
end

local function has_entry(stream, job)
  local entry = string.match(job.entry or '', '^%d+%-%d+$')
  return entry and #redis.call('XRANGE', stream, entry, entry) == 1
end

ensure_groups()
local found = {}
for _, class in ipairs({ 'interactive', 'bulk', AI_CLASS, 'fetch', 'fetch-bulk' }) do
  local stream = STREAM .. class
  local entries
  if idle == 'own' then
    entries = own(stream)
  else
    entries = redis.call('XAUTOCLAIM', stream, GROUP, node, idle, '0-0', 'COUNT', 100)[2]
  end
  for _, entry in ipairs(entries) do
    local id = entry and entry[2][2]
    local job = id and read(JOB .. id)
    local is_open = job and (job.status == 'processing' or not MOVES[job.status])
    local is_ours = is_open and job.entry == entry[1]
    if is_ours and is_broken(id, job) or is_open and not has_entry(stream, job) then
      bury(id, { status = 'processing', class = class, entry = entry[1] }, 'A part of it was damaged.')
    elseif is_ours then
      table.insert(found, cjson.encode(with_recipe(job)))
    elseif entry then
      redis.call('XACK', stream, GROUP, entry[1])
      redis.call('XDEL', stream, entry[1])
    end
  end
end
return { found, buried }
