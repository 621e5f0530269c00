-- What every living gateway says; the others are forgotten. KEYS: texts (hash), ends (zset).
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for _, gateway in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
    redis.call('HDEL', KEYS[1], gateway)
    redis.call('ZREM', KEYS[2], gateway)
end
return redis.call('HGETALL', KEYS[1])
