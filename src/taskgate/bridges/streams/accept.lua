-- An entry became a run: remember the run, then acknowledge the entry and take it out of its stream.
-- KEYS: open, logs, by_order, stream   ARGV: run id, order id, group, entry id
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
redis.call('XACK', KEYS[4], ARGV[3], ARGV[4])
redis.call('XDEL', KEYS[4], ARGV[4])
return 1
