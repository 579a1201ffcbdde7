-- Hand waiting jobs to a node whose lanes have room.
-- Keys: delayed, ring:*, waiting:*, served:*, queue, queue:{class}, job:*, batch:*; channel events:*.
-- ARGV: JSON of the room, see `claim` in line.lua.
-- Returns what that returns.
return { claim(cjson.decode(ARGV[1])) }
