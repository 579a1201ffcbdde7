-- A node's heartbeat: its lanes, and the leases of the jobs that it still holds.
-- Keys: nodes, nodes:lanes, queue, queue:{class}, job:*.
-- ARGV: node; its lanes; milliseconds after which a silent node no longer counts;
-- JSON [[id, token], ...] of what it runs.
-- Returns two lists of ids: jobs it has lost, jobs that somebody asked to stop.
local node, now = ARGV[1], now_ms()
redis.call('ZADD', NODES, whole(now), node)
redis.call('HSET', NODE_LANES, node, ARGV[2])
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', NODES, '-inf', whole(now - tonumber(ARGV[3])))) do
  redis.call('ZREM', NODES, silent)
  redis.call('HDEL', NODE_LANES, silent)
end
local lanes = 0
for _, count in ipairs(redis.call('HVALS', NODE_LANES)) do lanes = lanes + tonumber(count) end
redis.call('HSET', QUEUE, 'lanes', lanes)

local lost, unwanted = {}, {}
for _, held in ipairs(cjson.decode(ARGV[4])) do
  local job = read(JOB .. held[1])
  if job and job.status == 'processing' and tonumber(job.token) == held[2] then
    redis.call('XCLAIM', STREAM .. job.class, GROUP, node, 0, job.entry, 'JUSTID')
    if job.cancel then table.insert(unwanted, held[1]) end
  else
    table.insert(lost, held[1])
  end
end
return { lost, unwanted }
