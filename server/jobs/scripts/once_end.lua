-- Keep the answer under an Idempotency-Key, or give up one under which no job was admitted.
-- Keys: once:*.
-- ARGV: the key's name; who holds it; the answer as JSON, '' for none.
local key = ONCE .. ARGV[1]
local held = read(key)
if not held or held.holder ~= ARGV[2] then return end
if not held.answer then
  redis.call('DEL', key)
elseif ARGV[3] ~= '' then
  redis.call('HSET', key, 'answer', ARGV[3], 'is_final', 1)
else
  redis.call('HSET', key, 'is_final', 1) -- what was promised stays the answer
end
