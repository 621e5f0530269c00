-- An entry became a run: remember the run, then acknowledge the entry and take it out of its stream. A run that was
-- cancelled before its entry was read is remembered too, but not acknowledged: 0, and it is to be cancelled first.
-- KEYS: open, logs, by_order, cancelled, stream   ARGV: run id, order id, group, entry id, 1 once it is cancelled
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
if ARGV[5] ~= '1' and redis.call('ZSCORE', KEYS[4], ARGV[2]) then return 0 end
redis.call('XACK', KEYS[5], ARGV[3], ARGV[4])
redis.call('XDEL', KEYS[5], ARGV[4])
redis.call('ZREM', KEYS[4], ARGV[2])
return 1
