-- Names of the ready queue's keys, all beginning with KEYS[1]. A queue is the JSON text of its key.
--   state            hash   born: who noticed last that the index was empty; seq: the last number given; served: the
--                           highest pass that was served
--   runs             hash   run id -> band LF queue LF priority LF created_at LF site
--   counts           hash   band and queue -> how many runs wait in that band
--   passed           hash   band and queue -> the band's pass; of queues that wait, and of some that drained
--   drained          zset   queue -> number: queues without runs whose passes are still remembered, oldest first
--   turns:BAND QUEUE zset   site -> number: the tenants of a band in the order of their turn
--   line:BAND QUEUE LF SITE   zset   run id -> number: a tenant's runs in the order they came
local P = KEYS[1]
local STATE, RUNS, COUNTS = P .. 'state', P .. 'runs', P .. 'counts'
local PASSED, DRAINED = P .. 'passed', P .. 'drained'

local function turns_key(band) return P .. 'turns:' .. band end
local function line_key(band, site) return P .. 'line:' .. band .. '\n' .. site end
local function exact(number) return string.format('%.17g', number) end
local function place_of(text) return string.match(text, '^(%d)\n([^\n]*)\n[^\n]*\n[^\n]*\n(.*)$') end

-- Values of many fields, in pieces that fit the stack.
local function values_of(key, fields)
    local found = {}
    for first = 1, #fields, 1000 do
        local last = math.min(first + 999, #fields)
        local piece = redis.call('HMGET', key, unpack(fields, first, last))
        for place = 1, last - first + 1 do found[first + place - 1] = piece[place] end
    end
    return found
end

-- A queue whose last run has left is remembered until others had as much as its bands had.
local function note_drained(queue, number)
    local counts = redis.call('HMGET', COUNTS, '0' .. queue, '1' .. queue, '2' .. queue)
    if counts[1] or counts[2] or counts[3] then return end
    redis.call('ZADD', DRAINED, 'NX', number, queue)
end

local function forget_drained(served, most)
    local count = redis.call('ZCARD', DRAINED)
    local waits = redis.call('EXISTS', RUNS) == 1
    while count > 0 do
        local queue = redis.call('ZRANGE', DRAINED, 0, 0)[1]
        if waits and count <= most then
            for _, pass in ipairs(redis.call('HMGET', PASSED, '0' .. queue, '1' .. queue, '2' .. queue)) do
                if pass and tonumber(pass) > served then return end
            end
        end
        redis.call('HDEL', PASSED, '0' .. queue, '1' .. queue, '2' .. queue)
        redis.call('ZREM', DRAINED, queue)
        count = count - 1
    end
end

-- Take a run out of its line. The first write of a script is a removal, so that a full server lets it go on.
local function drop(run_id, text)
    local number, queue, site = place_of(text)
    local band = number .. queue
    redis.call('ZREM', line_key(band, site), run_id)
    redis.call('HDEL', RUNS, run_id)
    if redis.call('EXISTS', line_key(band, site)) == 0 then redis.call('ZREM', turns_key(band), site) end
    if redis.call('HINCRBY', COUNTS, band, -1) <= 0 then redis.call('HDEL', COUNTS, band) end
    return queue
end
