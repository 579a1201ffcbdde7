-- End a job that this node holds and cannot read.
-- Keys: those of settle. ARGV: id; fencing token; what is wrong. Returns 1, or 0 when it is no longer
-- this token's.
local job = read(JOB .. ARGV[1])
if not job or job.status ~= 'processing' or job.token ~= ARGV[2] then return 0 end
bury(ARGV[1], { status = 'processing', class = job.class, entry = job.entry }, ARGV[3])
return 1
