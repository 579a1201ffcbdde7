-- Note how far running jobs are; a job that its node has lost meanwhile is passed over.
-- Keys: job:*; channel events:*. ARGV: JSON [[id, token, stage, percent], ...].
for _, report in ipairs(cjson.decode(ARGV[1])) do
  local id, token, stage, percent = report[1], report[2], report[3], report[4]
  local held = redis.call('HMGET', JOB .. id, 'status', 'token', 'progress')
  if held[1] == 'processing' and tonumber(held[2]) == token and tonumber(held[3]) <= percent then
    change(id, { 'stage', stage, 'progress', percent })
  end
end
