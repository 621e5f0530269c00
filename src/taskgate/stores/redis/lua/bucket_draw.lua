-- Draw tokens. KEYS: one bucket for each draw. ARGV: rate, burst, wanted for each. A bucket is the moment of this
-- server's clock at which it is full again, and is forgotten then. Returns given and left for each, as texts.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local answer = {}
for place, key in ipairs(KEYS) do
    local rate, burst, wanted = tonumber(ARGV[3 * place - 2]), tonumber(ARGV[3 * place - 1]), tonumber(ARGV[3 * place])
    -- a clock that stepped back makes a bucket empty at most
    local filling = math.min(math.max(tonumber(redis.call('GET', key) or now) - now, 0), burst / rate)
    local left = burst - filling * rate
    local given = math.max(0, math.floor(left + 1e-6))
    if wanted <= left + 1e-6 then given = wanted end
    if given > 0 then
        filling = filling + given / rate
        local keep_ms = math.max(1, math.ceil(filling * 1000))
        redis.call('SET', key, string.format('%.17g', now + filling), 'PX', keep_ms)
    end
    answer[#answer + 1] = string.format('%.17g', given)
    answer[#answer + 1] = string.format('%.17g', left)
end
return answer
