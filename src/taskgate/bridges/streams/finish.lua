-- A run has ended: put its result where the scheduler reads, once. 1 when it was put there, 0 when it had been before.
-- The result comes first: where it is refused (a key of another kind, a right that is missing, no room) nothing else
-- is done, and it is tried again.
-- KEYS: open, by_order, done mark, results   ARGV: run id, order id, seconds to keep the mark, then field, value, …
local is_new = redis.call('EXISTS', KEYS[3]) == 0
if is_new then
  local fields = {}
  for place = 4, #ARGV do fields[#fields + 1] = ARGV[place] end
  redis.call('XADD', KEYS[4], '*', unpack(fields))
  redis.call('SET', KEYS[3], '1', 'EX', ARGV[3])
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[2])
return is_new and 1 or 0
