-- Ids of the settled jobs whose time is over; the hash may be gone already, the files are not.
-- Keys: expiry. ARGV: at most how many.
return redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', whole(now_ms()), 'LIMIT', 0, ARGV[1])
