-- Add committed pages to the tails of their subjects. KEYS: one stream for each page. ARGV: sender, milliseconds that
-- a page is kept, then the pages. Only what is older is trimmed, never what is too much: readers are behind by time.
local time = redis.call('TIME')
local oldest = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[2])
for place, key in ipairs(KEYS) do
    redis.call('XADD', key, 'MINID', '~', string.format('%.0f', oldest), '*', 's', ARGV[1], 'p', ARGV[place + 2])
    redis.call('PEXPIRE', key, ARGV[2])
end
return #KEYS
