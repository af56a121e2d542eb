-- A sign of life: places that this replica holds go on being held. How many is left as it is, for requests may be on their
-- way; only where the store has forgotten it, it is told.
-- KEYS: one for each counter. ARGV: replica, how long places are held (ms), then how many it holds of each.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
for index = 1, #KEYS do
  local stored = redis.call('HGET', KEYS[index], ARGV[1])
  local number = stored and string.match(stored, '^(%-?%d+)') or ARGV[2 + index]
  redis.call('HSET', KEYS[index], ARGV[1], string.format('%d|%.0f', tonumber(number), now + tonumber(ARGV[2])))
  redis.call('PEXPIRE', KEYS[index], tonumber(ARGV[2]) * 4)
end
return 1
