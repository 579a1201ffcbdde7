-- A URL's picture has come and lies in the storage: the job leaves the fetchers' line and arrives
-- like any other (see arrive in same.lua).
-- Keys: job:*, batch:*, queue, queue:{class}, blob:*, result:*, made:*, followers:*, trash, expiry,
-- fetched:*, waiting:*, ring:*, served:*, and those of remove and outbox; channels events:*, wake.
-- ARGV: id; fencing token; the class it goes on in; JSON of its flat fields, original_key among
-- them; digest of the URL or ''; milliseconds to remember what the URL led to; JSON of that, flat.
-- Returns the state the job is in now; 'stale' when it is no longer this token's: then, and when it
-- is 'cancelled', nobody holds the file.
local id, token, class = ARGV[1], ARGV[2], ARGV[3]
local job, fields = read(JOB .. id), cjson.decode(ARGV[4])
local arrived = {}
note(arrived, fields)
if not job then return 'stale' end
if job.original_key == arrived.original_key then return job.status end -- sent twice
if job.token ~= token or job.status ~= 'processing' or not is_unfetched(job) then return 'stale' end

release(job)
if ARGV[5] ~= '' then
  redis.call('DEL', FETCHED .. ARGV[5])
  redis.call('HSET', FETCHED .. ARGV[5], 'at', whole(now_ms()), unpack(cjson.decode(ARGV[7])))
  redis.call('PEXPIRE', FETCHED .. ARGV[5], ARGV[6])
end
if job.cancel then
  finish(job, 'cancelled', {})
  redis.call('PUBLISH', WAKE, 1)
  return 'cancelled'
end
-- The attempts of the lanes are counted from here.
append(fields, { 'class', class, 'fetches', job.attempts, 'attempts', 0,
  'arrived', whole(now_ms()), 'ticks', tenth() })
note(job, fields)
redis.call('HSET', JOB .. id, unpack(fields))
arrive(job)
redis.call('PUBLISH', WAKE, 1)
return job.status
