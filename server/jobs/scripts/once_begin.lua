-- Take an Idempotency-Key for a request, unless another request has it.
-- Keys: once:*.
-- ARGV: the key's name; fingerprint of the request; who takes it; milliseconds it is held at most.
-- Returns {'taken'}, {'busy', milliseconds}, {'answered', JSON} or {'mismatch'}.
local key = ONCE .. ARGV[1]
local now, held = now_ms(), read(key)
if held then
  if held.fingerprint ~= ARGV[2] then return { 'mismatch' } end
  local left = tonumber(held.busy_until) - now
  if held.is_final then return { 'answered', held.answer } end
  if left > 0 and held.holder ~= ARGV[3] then return { 'busy', whole(left) } end
  -- Its holder died, or lost touch with us: what it promised stands, for its jobs are admitted.
  if held.answer then return { 'answered', held.answer } end
end
redis.call('HSET', key, 'fingerprint', ARGV[2], 'holder', ARGV[3],
  'busy_until', whole(now + tonumber(ARGV[4])))
redis.call('PEXPIRE', key, ARGV[4])
return { 'taken' }
