-- A sign of life: places that this replica holds go on being held. How many is left as it is, for requests may be on their
-- way; only where the store has forgotten it, it is told.
-- KEYS: one for each counter. ARGV: a JSON list of the replica, how long places are held (ms), and how many it holds of each.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local replica, lease, counts = unpack(cjson.decode(ARGV[1]))
for index = 1, #KEYS do
  local stored = redis.call('HGET', KEYS[index], replica)
  local number = stored and string.match(stored, '^(%-?%d+)') or counts[index]
  redis.call('HSET', KEYS[index], replica, string.format('%d|%.0f', tonumber(number), now + lease))
  redis.call('PEXPIRE', KEYS[index], string.format('%.0f', lease * 4))
end
return 1
