-- Corrects what a reservation took to what was used, once: the second time it is no longer in the journal.
-- KEYS: the journal of open reservations, then one key for each counter.
-- ARGV: reservation, replica, how long places are held (ms); then for each counter: kind, difference, capacity of a rate,
--   what flows into it per ms, and how long the key is kept (ms).
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
for index = 1, #KEYS - 1 do
  local base = 3 + (index - 1) * 5
  local key, kind, difference = KEYS[index + 1], ARGV[base + 1], tonumber(ARGV[base + 2])
  if difference ~= 0 then
    if kind == 'r' then
      local limit, level = tonumber(ARGV[base + 3]), tonumber(ARGV[base + 3])
      local stored = redis.call('GET', key)
      if stored then
        local text, since = string.match(stored, '^(%S+) (%S+)$')
        level = math.min(limit, tonumber(text) + (now - tonumber(since)) * tonumber(ARGV[base + 4]))
      end
      redis.call('SET', key, string.format('%.6f %.3f', math.min(limit, level - difference), now), 'PX', ARGV[base + 5])
    elseif kind == 'p' then
      if redis.call('EXISTS', key) == 1 then redis.call('INCRBY', key, ARGV[base + 2]) end
    else
      local own = tonumber(string.match(redis.call('HGET', key, ARGV[2]) or '0|0', '^(%-?%d+)')) + difference
      if own > 0 then
        redis.call('HSET', key, ARGV[2], string.format('%d|%.0f', own, now + tonumber(ARGV[3])))
      else
        redis.call('HDEL', key, ARGV[2])
      end
    end
  end
end
return 1
