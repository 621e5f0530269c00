-- Put runs into their queues; one that is there stays, one that is elsewhere moves.
-- ARGV: news channel, sender, most drained queues, then for those that follow each other at one place: band, queue, site,
-- and a MessagePack array of run id and text (as in `runs`) in turn.
-- Returns 1 when the index was found lost, else 0, then the queues that got runs; the others hear of them.
-- include ready_names
local channel, sender, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local state = redis.call('HMGET', STATE, 'born', 'seq', 'served')
local seq, served = tonumber(state[2] or 0), tonumber(state[3] or 0)
local answer, fresh = {state[1] and 0 or 1}, {}

-- `line`: number and run id in turn; `texts`: run id and text in turn.
local function put(band_number, queue, site, line, texts)
    if #line == 0 then return end
    local place, bands = band_number + 1, read_queue(redis.call('HGET', QUEUES, queue))
    if bands[1] + bands[2] + bands[3] == 0 then redis.call('ZREM', DRAINED, queue) end
    if bands[place] == 0 then bands[place + 3] = math.max(bands[place + 3], served) end
    bands[place] = bands[place] + #line / 2
    write_queue(queue, bands)
    redis.call('HSET', RUNS, unpack(texts))
    redis.call('ZADD', line_key(band_number, queue, site), unpack(line))
    redis.call('ZADD', turns_key(band_number, queue), 'NX', line[1], site)
    if not fresh[queue] then
        fresh[queue] = true
        answer[#answer + 1] = queue
    end
end

for at = 4, #ARGV, 4 do
    local band_number, queue, site, told = ARGV[at], ARGV[at + 1], ARGV[at + 2], cmsgpack.unpack(ARGV[at + 3])
    local ids, line, texts, here = {}, {}, {}, {}
    for place = 1, #told, 2 do ids[#ids + 1] = told[place] end
    local known = values_of(RUNS, ids)
    for number, run_id in ipairs(ids) do
        local is_here = here[run_id]
        if known[number] and not is_here then
            local old_number, old_queue, old_site = place_of(known[number])
            is_here = old_number == band_number and old_queue == queue and old_site == site
            if not is_here then
                -- what came before it is in before it leaves its place
                put(band_number, queue, site, line, texts)
                line, texts = {}, {}
                seq = seq + 1
                drop(run_id, known[number], seq, served, most)
            end
        end
        if not is_here then
            seq = seq + 1
            line[#line + 1], line[#line + 2] = seq, run_id
            texts[#texts + 1], texts[#texts + 2] = run_id, told[2 * number]
            here[run_id] = true
        end
    end
    put(band_number, queue, site, line, texts)
end
if #answer > 1 or not state[1] then
    redis.call('HSET', STATE, 'born', state[1] or sender, 'seq', seq, 'served', exact(served))
end
if #answer > 1 then redis.call('PUBLISH', channel, sender .. table.concat(answer, '\n', 2)) end
return answer
