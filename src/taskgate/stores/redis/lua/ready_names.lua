-- Names of the ready queue's keys, all beginning with KEYS[1]. A queue is the JSON text of its key.
--   state    hash   born: who noticed last that the index was empty; seq: the last number given; served: the highest
--                   pass that was served
--   runs     hash   run id -> band LF queue LF priority LF created_at LF site
--   queues   hash   queue -> six doubles: how many runs wait in each band, then the pass of each band; of queues that
--                   wait, and of some that drained
--   drained  zset   queue -> number: queues without runs whose passes are still remembered, oldest first
--   turns:BAND QUEUE zset   site -> number: the tenants of a band in the order of their turn
--   line:BAND QUEUE LF SITE   zset   run id -> number: a tenant's runs in the order they came
local P = KEYS[1]
local STATE, RUNS, QUEUES, DRAINED = P .. 'state', P .. 'runs', P .. 'queues', P .. 'drained'

local function turns_key(band, queue) return P .. 'turns:' .. band .. queue end
local function line_key(band, queue, site) return P .. 'line:' .. band .. queue .. '\n' .. site end
local function exact(number) return string.format('%.17g', number) end
local function place_of(text) return string.match(text, '^(%d)\n([^\n]*)\n[^\n]*\n[^\n]*\n(.*)$') end

-- Values of many fields, in pieces that fit the stack.
local function values_of(key, fields, from)
    local found, shift = {}, (from or 1) - 1
    for first = shift + 1, #fields, 1000 do
        local last = math.min(first + 999, #fields)
        local piece = redis.call('HMGET', key, unpack(fields, first, last))
        for place = 1, last - first + 1 do found[first - shift - 1 + place] = piece[place] end
    end
    return found
end

-- A queue's counts stand at 1 to 3, its passes at 4 to 6, lowest band first.
local function read_queue(text)
    if not text then return {0, 0, 0, 0, 0, 0} end
    return {struct.unpack('>dddddd', text)}
end
local function write_queue(queue, bands)
    redis.call('HSET', QUEUES, queue, struct.pack('>dddddd', unpack(bands, 1, 6)))
end

local function forget_drained(served, most)
    local count = redis.call('ZCARD', DRAINED)
    local waits = redis.call('EXISTS', RUNS) == 1
    while count > 0 do
        local queue = redis.call('ZRANGE', DRAINED, 0, 0)[1]
        if waits and count <= most then
            local bands = read_queue(redis.call('HGET', QUEUES, queue))
            if math.max(bands[4], bands[5], bands[6]) > served then return end
        end
        redis.call('HDEL', QUEUES, queue)
        redis.call('ZREM', DRAINED, queue)
        count = count - 1
    end
end

-- Take a run out of its line. The first write is a removal, so that a server without room lets the script go on.
-- A queue whose last run has left is remembered until others had as much as its bands had.
local function drop(run_id, text, seq, served, most)
    local number, queue, site = place_of(text)
    redis.call('ZREM', line_key(number, queue, site), run_id)
    redis.call('HDEL', RUNS, run_id)
    if redis.call('EXISTS', line_key(number, queue, site)) == 0 then
        redis.call('ZREM', turns_key(number, queue), site)
    end
    local bands = read_queue(redis.call('HGET', QUEUES, queue))
    bands[number + 1] = math.max(0, bands[number + 1] - 1)
    write_queue(queue, bands)
    if bands[1] + bands[2] + bands[3] == 0 then redis.call('ZADD', DRAINED, 'NX', seq, queue) end
    forget_drained(served, most)
end
