-- Remember for a while that something cannot be made of a picture, so that nobody tries at each ask.
-- Keys: job:*, derived:*, and those of remove.
-- ARGV: the picture's id; the field of derived:{id}; the most fields; milliseconds to remember it;
-- JSON of the refusal, to which `until` (ms since 1970) is added.
-- Returns 1, or 0 where it is not remembered: no such picture, no room, or there is a job by now.
local id, name, most, retry_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('HGET', JOB .. id, 'status') ~= 'completed' then return 0 end
local map = DERIVED .. id
local there = standing(map, name, retry_ms)
if there and not is_refusal(there) then return 0 end
if not there and not has_room(map, most) then return 0 end
local refusal = cjson.decode(ARGV[5])
refusal['until'] = now_ms() + retry_ms
redis.call('HSET', map, name, '!' .. cjson.encode(refusal))
return 1
