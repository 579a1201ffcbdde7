-- Hand waiting URLs to a node that fetches them, fairly: one client after the other, single ones
-- before batches.
-- Keys: delayed, ring:*, waiting:*, served:*, queue, queue:{class}, job:*, batch:*; channel events:*.
-- ARGV: node; how many; how many of them of batches; the most pictures that may wait for a lane at
-- all; the most of batches that may; every how manieth claim is a batch's.
-- Returns how many still wait, jobs as JSON, each with a new lease and fencing token, and the ids of
-- damaged ones that have ended.
local node, wanted, of_batches = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local room, ahead, bulk_share = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- What is fetched waits for a lane then, with its bytes on disk: no more of it than is needed.
local function next_class()
  local single = waiting() < room and redis.call('EXISTS', RING .. 'fetch') == 1
  local bulk = of_batches > 0 and counter(WAITING .. 'bulk') + counter(WAITING .. AI_CLASS) < ahead
    and redis.call('EXISTS', RING .. 'fetch-bulk') == 1
  return choose(single and 'fetch', bulk and 'fetch-bulk', 'fetch_turn', bulk_share)
end

ensure_groups()
return_delayed()
local taken = {}
while #taken < wanted do
  local job = next_job(next_class)
  if not job then break end
  redis.call('HINCRBY', QUEUE, 'fetch_turn', 1)
  if job.class == 'fetch-bulk' then of_batches = of_batches - 1 end
  table.insert(taken, lease(job, node, 'fetching'))
end
return { waiting_urls(), taken, buried }
