-- An order was cancelled: remember it, for its entry may not be read yet, and tell the run that does it ('' for none).
-- KEYS: by_order, cancelled   ARGV: order id, seconds to remember it, most that are remembered
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
redis.call('EXPIRE', KEYS[2], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1]) or ''
