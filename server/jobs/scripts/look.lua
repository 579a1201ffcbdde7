-- Read jobs or batches as they stand, with place and expected wait of those that are queued.
-- Keys: job:*, batch:*, queue, ring:*, served:*. ARGV: ids. Returns JSON or nothing for each.
local found = {}
for index, id in ipairs(ARGV) do
  local job = read(JOB .. id)
  local batch = not job and read(BATCH .. id)
  if job then
    found[index] = picture(with_recipe(job))
  elseif batch then
    found[index] = cjson.encode(batch)
  else
    found[index] = false
  end
end
return found
