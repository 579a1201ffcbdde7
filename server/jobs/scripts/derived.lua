-- What is made of a stored picture when somebody first asks for it. Such a job has the picture's id
-- as `of`; it is the picture's: it goes when the picture goes, and stands in derived:{picture id}
-- under what it is (a recipe's digest, or variant.format). What cannot be made is there as '!' and JSON.

-- Take a picture away, original and results; one that runs is stopped first and goes then.
local function take_away(job)
  if job.status == 'processing' and not follows(job) then
    redis.call('HSET', JOB .. job.id, 'doomed', 1)
  end
  cancel(job)
  if job.status ~= 'processing' then expire(job, true) end
end

local function is_refusal(value)
  return string.sub(value, 1, 1) == '!'
end

leave_picture = function(job)
  if not job.of then return end
  local map = DERIVED .. job.of
  local flat = redis.call('HGETALL', map)
  for i = 1, #flat, 2 do
    if flat[i + 1] == job.id then redis.call('HDEL', map, flat[i]) end
  end
end

take_derived_away = function(job)
  local ids = redis.call('HVALS', DERIVED .. job.id)
  if #ids == 0 then return end
  redis.call('DEL', DERIVED .. job.id)
  for _, id in ipairs(ids) do
    local derived = not is_refusal(id) and read(JOB .. id)
    if derived then take_away(derived) end
  end
end

-- What stands under a field and still counts: a job's id, or a refusal. What a failed or stopped
-- job leaves is cleared, the failed one after a while: it would mostly fail again.
local function standing(map, field, retry_ms)
  local value = redis.call('HGET', map, field)
  if not value then return nil end
  local now = now_ms()
  if is_refusal(value) then
    if cjson.decode(string.sub(value, 2))['until'] > now then return value end
    redis.call('HDEL', map, field)
    return nil
  end
  local job = read(JOB .. value)
  if not job then
    redis.call('HDEL', map, field)
  elseif job.status == 'failed' then
    if job.dead or tonumber(job.settled) + retry_ms > now then return value end
    take_away(job)
  elseif job.status == 'cancelled' or job.status == 'expired' then
    take_away(job)
    redis.call('HDEL', map, field)
  else
    return value
  end
end

-- Whether a picture may have one more; refusals whose time is over make room.
local function has_room(map, most)
  if redis.call('HLEN', map) < most then return true end
  local flat, now = redis.call('HGETALL', map), now_ms()
  for i = 1, #flat, 2 do
    local value = flat[i + 1]
    if is_refusal(value) and cjson.decode(string.sub(value, 2))['until'] <= now then
      redis.call('HDEL', map, flat[i])
    end
  end
  return redis.call('HLEN', map) < most
end
