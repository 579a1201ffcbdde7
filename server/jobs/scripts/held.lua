-- Which originals are held, a part of them at a time, and which of some jobs' results are. What is
-- held all the while that a reader goes through is told for certain (SCAN promises that of keys).
-- Keys: blob:*, job:*, made:*. ARGV: a cursor of SCAN, 0 first; ids of jobs whose results are in
-- question. Returns {the next cursor, 0 at the end; keys of originals; ids whose results are held}.
local scanned = redis.call('SCAN', ARGV[1], 'MATCH', BLOB .. '*', 'COUNT', 500)
local originals, results = {}, {}
for _, blob in ipairs(scanned[2]) do
  local holder = redis.call('SRANDMEMBER', blob)
  local key = holder and redis.call('HGET', JOB .. holder, 'original_key')
  if key and key ~= '' then table.insert(originals, key) end
end
for index = 2, #ARGV do
  local id = ARGV[index]
  local status = redis.call('HGET', JOB .. id, 'status')
  if redis.call('EXISTS', MADE .. id) == 1 or status == 'queued' or status == 'processing' then
    table.insert(results, id)
  end
end
return { scanned[1], originals, results }
