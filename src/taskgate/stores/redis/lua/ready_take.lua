-- Take runs for one holder: bands by the lowest pass, tenants of a band in turn, then first in first out.
-- ARGV: sender, limit, site ('' for any, else '=' and the site), lag, most drained queues, stride of band 0, 1 and 2,
-- then queues, each once.
-- Returns 1 when the index was found lost, else 0, then run id and text for each run.
-- include ready_names
local sender, limit, site = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local lag, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local strides = {[0] = tonumber(ARGV[6]), [1] = tonumber(ARGV[7]), [2] = tonumber(ARGV[8])}
local one_site = site ~= '' and string.sub(site, 2) or nil
local state = redis.call('HMGET', STATE, 'born', 'seq', 'served')
if not state[1] then
    redis.call('HSET', STATE, 'born', sender)
    return {1}
end
local seq, served = tonumber(state[2] or 0), tonumber(state[3] or 0)

-- The bands that have something for this holder; where passes are level the higher band comes first, then the queue
-- that was named first.
local QUEUE, BAND, PASS, ORDER, STRIDE, OWNER = 1, 2, 3, 4, 5, 6
local heap, floor, asked = {}, 0, #ARGV - 8
for place, text in ipairs(values_of(QUEUES, ARGV, 9)) do
    if text then
        local bands, queue = read_queue(text), ARGV[8 + place]
        for number = 0, 2 do
            if bands[number + 1] > 0
                and (not one_site or redis.call('EXISTS', line_key(number, queue, one_site)) == 1) then
                local pass = bands[number + 4]
                heap[#heap + 1] = {queue, number, pass, (2 - number) * asked + place, strides[number], bands}
                if pass > floor then floor = pass end
            end
        end
    end
end
if #heap == 0 or limit <= 0 then return {0} end
local changed = {}
for _, band in ipairs(heap) do
    if band[PASS] < floor - lag then
        band[PASS] = floor - lag
        band[OWNER][band[BAND] + 4] = band[PASS]
        changed[band[QUEUE]] = band[OWNER]
    end
end
local function before(one, other)
    return one[PASS] < other[PASS] or (one[PASS] == other[PASS] and one[ORDER] < other[ORDER])
end
table.sort(heap, before)
local size = #heap

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
    local turns = turns_key(band[BAND], band[QUEUE])
    local tenant = one_site or redis.call('ZRANGE', turns, 0, 0)[1]
    local line = line_key(band[BAND], band[QUEUE], tenant)
    -- whoever is alone with its turn has all turns that are left
    local is_alone = size == 1 and (one_site or redis.call('ZCARD', turns) == 1)
    local popped = redis.call('ZPOPMIN', line, is_alone and limit - #ids or 1)
    for at = 1, #popped, 2 do ids[#ids + 1] = popped[at] end
    local count = #popped / 2
    if count > 0 then served = math.max(served, band[PASS] + (count - 1) * band[STRIDE]) end
    band[PASS] = band[PASS] + count * band[STRIDE]
    local owner, place = band[OWNER], band[BAND] + 1
    owner[place], owner[place + 3] = owner[place] - count, band[PASS]
    changed[band[QUEUE]] = owner
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
for place = 9, #ARGV do
    local queue = ARGV[place]
    local bands = changed[queue]
    if bands then
        write_queue(queue, bands)
        if bands[1] + bands[2] + bands[3] == 0 then
            seq = seq + 1
            redis.call('ZADD', DRAINED, 'NX', seq, queue)
        end
    end
end
forget_drained(served, most)
redis.call('HSET', STATE, 'seq', seq, 'served', exact(served))
return answer
