-- A run has ended: put its result where the scheduler reads, once. 1 when it was put there, 0 when it had been before.
-- KEYS: open, by_order, done mark, results   ARGV: run id, order id, seconds to keep the mark, then field, value, …
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[2])
if not redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[3]) then return 0 end
local fields = {}
for place = 4, #ARGV do fields[#fields + 1] = ARGV[place] end
redis.call('XADD', KEYS[4], '*', unpack(fields))
return 1
