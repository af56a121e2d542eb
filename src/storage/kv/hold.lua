-- A heartbeat: renews the lease of the concurrency slots that this replica holds. The stored number stays, because
-- reservations may be in flight; the replica's own number is used only where the store has none.
-- KEYS: one for each counter. ARGV: a JSON list of the replica, the lease (ms), and the number of slots of each counter.
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
