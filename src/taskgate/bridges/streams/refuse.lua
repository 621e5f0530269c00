-- An entry can never become a run: keep it as a dead letter with the reason, then acknowledge it.
-- KEYS: stream, dead letters   ARGV: group, entry id, oldest id to keep, then field, value, …
if #redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2]) == 1 then
  local fields = {}
  for place = 4, #ARGV do fields[#fields + 1] = ARGV[place] end
  redis.call('XADD', KEYS[2], 'MINID', '~', ARGV[3], '*', unpack(fields))
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
