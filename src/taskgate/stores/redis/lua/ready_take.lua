-- Take runs for one holder: bands by the lowest pass, tenants of a band in turn, then first in first out.
-- ARGV: sender, limit, site ('' for any, else '=' and the site), lag, most drained queues, stride of band 0, 1 and 2,
-- then queues, each once.
-- Returns 1 when the index was found lost, else 0, then run id and text for each run.
-- include ready_names
local sender, limit, site = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local lag, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local strides = {['0'] = tonumber(ARGV[6]), ['1'] = tonumber(ARGV[7]), ['2'] = tonumber(ARGV[8])}
local one_site = site ~= '' and string.sub(site, 2) or nil
local state = redis.call('HMGET', STATE, 'born', 'seq', 'served')
if not state[1] then
    redis.call('HSET', STATE, 'born', sender)
    return {1}
end
local seq, served = tonumber(state[2] or 0), tonumber(state[3] or 0)

-- The bands that have something for this holder; where passes are level the higher band comes first.
local names = {}
for _, number in ipairs({'2', '1', '0'}) do
    for place = 9, #ARGV do names[#names + 1] = number .. ARGV[place] end
end
local counts, passes = values_of(COUNTS, names), values_of(PASSED, names)
local heap, floor = {}, 0
for order, name in ipairs(names) do
    if counts[order] and (not one_site or redis.call('EXISTS', line_key(name, one_site)) == 1) then
        local pass = tonumber(passes[order] or 0)
        local stride = strides[string.sub(name, 1, 1)]
        heap[#heap + 1] = {pass = pass, order = order, name = name, stride = stride, was = pass, taken = 0}
        floor = math.max(floor, pass)
    end
end
if #heap == 0 or limit <= 0 then return {0} end
for _, band in ipairs(heap) do band.pass = math.max(band.pass, floor - lag) end
local function before(one, other)
    return one.pass < other.pass or (one.pass == other.pass and one.order < other.order)
end
table.sort(heap, before)
local bands, size = {unpack(heap)}, #heap

local function sink()
    local band, place = heap[1], 1
    while true do
        local child = 2 * place
        if child > size then break end
        if child < size and before(heap[child + 1], heap[child]) then child = child + 1 end
        if not before(heap[child], band) then break end
        heap[place] = heap[child]
        place = child
    end
    heap[place] = band
end

local ids = {}
while size > 0 and #ids < limit do
    local band = heap[1]
    local turns = turns_key(band.name)
    local tenant = one_site or redis.call('ZRANGE', turns, 0, 0)[1]
    local line = line_key(band.name, tenant)
    ids[#ids + 1] = redis.call('ZPOPMIN', line)[1]
    band.taken = band.taken + 1
    served = math.max(served, band.pass)
    band.pass = band.pass + band.stride
    seq = seq + 1
    local has_more = redis.call('EXISTS', line) == 1
    if has_more then redis.call('ZADD', turns, seq, tenant) else redis.call('ZREM', turns, tenant) end
    if not has_more and (one_site or redis.call('EXISTS', turns) == 0) then
        heap[1] = heap[size]
        heap[size] = nil
        size = size - 1
    end
    if size > 1 then sink() end
end

local texts, answer = values_of(RUNS, ids), {0}
for place, run_id in ipairs(ids) do
    answer[#answer + 1] = run_id
    answer[#answer + 1] = texts[place]
end
for first = 1, #ids, 1000 do redis.call('HDEL', RUNS, unpack(ids, first, math.min(first + 999, #ids))) end
local ended = {}
for _, band in ipairs(bands) do
    if band.pass ~= band.was then redis.call('HSET', PASSED, band.name, exact(band.pass)) end
    if band.taken > 0 and redis.call('HINCRBY', COUNTS, band.name, -band.taken) <= 0 then
        redis.call('HDEL', COUNTS, band.name)
        ended[string.sub(band.name, 2)] = true
    end
end
for place = 9, #ARGV do
    if ended[ARGV[place]] then
        seq = seq + 1
        note_drained(ARGV[place], seq)
    end
end
forget_drained(served, most)
redis.call('HSET', STATE, 'seq', seq, 'served', exact(served))
return answer
