-- Read a picture and what was made of it under a name, in one visit.
-- Keys: job:*, derived:*, batch:*, queue, ring:*, served:*. ARGV: the picture's id; a field of
-- derived:{id}. Returns JSON or nothing for the picture; then the job's JSON, '!' and JSON of why it
-- cannot be made, or nothing.
local job = read(JOB .. ARGV[1])
if not job then return { false, false } end
local made = redis.call('HGET', DERIVED .. job.id, ARGV[2])
if made and not is_refusal(made) then
  local derived = read(JOB .. made)
  made = derived and picture(with_recipe(derived))
end
return { picture(with_recipe(job)), made or false }
