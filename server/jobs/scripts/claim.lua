-- Hand waiting jobs to a node, fairly: one client after the other, interactive before bulk.
-- Keys: delayed, ring:*, waiting:*, served:*, queue, queue:{class}, job:*, batch:*; channel events:*.
-- ARGV: node; how many groups; bytes of memory that are free; 1 when the node runs nothing; every
-- how manieth claim is bulk's; the most jobs of a group; how many jobs of class ai may start.
-- Returns how many still wait, and groups of jobs as JSON, each job with a new lease and fencing
-- token. Jobs group when they follow one another in line and are small and of the same kind (field
-- `group`).
local node, wanted, free = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local idle, bulk_share, group_most = ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local networks_free = tonumber(ARGV[7])
local AI_SHARE = 3 -- every third claim, while plain jobs wait too and a network is free

local function has_work(class)
  return redis.call('EXISTS', RING .. class) == 1 and class
end

local function next_class()
  if redis.call('EXISTS', RING .. 'bulk', RING .. AI_CLASS) == 0 then return has_work('interactive') end
  local plain = choose(has_work('interactive'), has_work('bulk'), 'turn', bulk_share)
  return choose(plain, networks_free > 0 and has_work(AI_CLASS), 'turn', AI_SHARE)
end

ensure_groups()
return_delayed()
-- What waits is spread over all lanes before any lane gets a second job of a group.
local group_size = math.min(group_most, math.ceil(waiting() / math.max(1, counter('lanes'))))
local groups = {}
while true do
  local group = groups[#groups]
  local may_grow = group and group.kind ~= '' and #group.jobs < group_size
  if #groups == wanted and not may_grow then break end
  local job = next_job(next_class)
  if not job then break end
  local joins = may_grow and job.group == group.kind
  if not joins then
    if #groups == wanted then break end
    local cost = tonumber(job.cost)
    if cost > free and not (idle and #groups == 0) then break end
    free = free - cost -- of one job: those of a group run one after the other
    group = { kind = job.group, jobs = {} }
    table.insert(groups, group)
  end
  redis.call('HINCRBY', QUEUE, 'turn', 1)
  if job.class == AI_CLASS then networks_free = networks_free - 1 end
  table.insert(group.jobs, lease(job, node, 'decoding'))
end
local taken = {}
for index, group in ipairs(groups) do taken[index] = group.jobs end
return { waiting(), taken }
