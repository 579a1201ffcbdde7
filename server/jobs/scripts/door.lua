-- What every admission asks at the door of one client.

-- `most` jobs may be unsettled (0: any number), and under an Idempotency-Key jobs come in once.
-- Returns nothing, or {-1, 0, 0} (the key was used meanwhile), or {-2, unsettled jobs, milliseconds
-- until there may be room}.
local function refused_at_the_door(client, arriving, most, once)
  local unsettled = tonumber(redis.call('HGET', UNSETTLED, client) or 0)
  if most > 0 and unsettled + arriving > most then
    return { -2, unsettled, math.ceil(drain_ms(unsettled + arriving - most)) }
  end
  if once and redis.call('HEXISTS', ONCE .. once.name, 'answer') == 1 then return { -1, 0, 0 } end
end

-- The promise of an answer stands together with the jobs, so that no crash parts them.
local function keep_promise(once)
  local key = ONCE .. once.name
  redis.call('HSET', key, 'fingerprint', once.fingerprint, 'holder', once.holder,
    'busy_until', whole(now_ms() + once.busy_ms), 'answer', once.answer)
  if once.is_final then redis.call('HSET', key, 'is_final', 1) end
  redis.call('PEXPIRE', key, whole(once.keep_ms))
end
