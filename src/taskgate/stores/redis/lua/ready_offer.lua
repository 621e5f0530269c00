-- Put runs into their queues; one that is there stays, one that is elsewhere moves.
-- ARGV: news channel, sender, most drained queues, then for each run: id, band, queue, site, text as in `runs`.
-- Returns 1 when the index was found lost, else 0, then the queues that got runs; the others hear of them.
-- include ready_names
local channel, sender, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local state = redis.call('HMGET', STATE, 'born', 'seq', 'served')
local seq, served = tonumber(state[2] or 0), tonumber(state[3] or 0)
local ids = {}
for place = 4, #ARGV, 5 do ids[#ids + 1] = ARGV[place] end
local known, here = values_of(RUNS, ids), {}
local answer, fresh = {state[1] and 0 or 1}, {}

for number, run_id in ipairs(ids) do
    local at = 4 + 5 * (number - 1)
    local band_number, queue, site, text = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
    local before = here[run_id] or known[number]
    local same = false
    if before then
        local old_number, old_queue, old_site = place_of(before)
        same = old_number == band_number and old_queue == queue and old_site == site
        if not same then
            seq = seq + 1
            drop(run_id, before, seq, served, most)
        end
    end
    if not same then
        local place, bands = band_number + 1, read_queue(redis.call('HGET', QUEUES, queue))
        if bands[1] + bands[2] + bands[3] == 0 then redis.call('ZREM', DRAINED, queue) end
        if bands[place] == 0 then bands[place + 3] = math.max(bands[place + 3], served) end
        bands[place] = bands[place] + 1
        seq = seq + 1
        write_queue(queue, bands)
        redis.call('HSET', RUNS, run_id, text)
        redis.call('ZADD', line_key(band_number, queue, site), seq, run_id)
        redis.call('ZADD', turns_key(band_number, queue), 'NX', seq, site)
        here[run_id] = text
        if not fresh[queue] then
            fresh[queue] = true
            answer[#answer + 1] = queue
        end
    end
end
if #answer > 1 or not state[1] then
    redis.call('HSET', STATE, 'born', state[1] or sender, 'seq', seq, 'served', exact(served))
end
if #answer > 1 then redis.call('PUBLISH', channel, sender .. table.concat(answer, '\n', 2)) end
return answer
