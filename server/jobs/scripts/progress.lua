-- Note how far running jobs are, and their followers with them; a job that its node has lost
-- meanwhile is passed over.
-- Keys: job:*, followers:*; channel events:*. ARGV: JSON [[id, token, stage, percent], ...].
for _, report in ipairs(cjson.decode(ARGV[1])) do
  local id, token, stage, percent = report[1], report[2], report[3], report[4]
  local held = redis.call('HMGET', JOB .. id, 'status', 'token', 'progress', 'followers')
  if held[1] == 'processing' and tonumber(held[2]) == token and tonumber(held[3]) <= percent then
    change(id, { 'stage', stage, 'progress', percent })
    each_follower({ id = id, followers = held[4] or 0 }, function(follower)
      change(follower.id, { 'stage', stage, 'progress', percent })
    end)
  end
end
