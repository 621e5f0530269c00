-- Take one run out. ARGV: run id, most drained queues.
-- include ready_names
local text = redis.call('HGET', RUNS, ARGV[1])
if not text then return 0 end
local state = redis.call('HMGET', STATE, 'seq', 'served')
drop(ARGV[1], text, tonumber(state[1] or 0), tonumber(state[2] or 0), tonumber(ARGV[2]))
return 1
