-- Takes from all counters, or from none.
-- KEYS: the journal of open reservations, then one key for each counter.
-- ARGV: reservation, replica, how long its places are held without a sign of life (ms), the journal's entry; then for
--   each counter: kind (r rate, p period, h places held), mode (e enforces), amount, limit, and for a rate what flows in
--   per ms, for a period what is known to be used should the key be gone, and how long the key is kept (ms).
-- Returns {1, standings, over} or {0, which was refused, its standing}. Numbers are texts: replies lose fractions.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local replica, lease = ARGV[2], tonumber(ARGV[3])
local count = #KEYS - 1
local standing, room = {}, {}

local function places(key)
  local held, entries = 0, redis.call('HGETALL', key)
  for at = 1, #entries, 2 do
    local number, expires = string.match(entries[at + 1], '^(%-?%d+)|(%d+)$')
    if not number or tonumber(expires) < now then
      redis.call('HDEL', key, entries[at])
    else
      held = held + tonumber(number)
    end
  end
  return held
end

for index = 1, count do
  local base = 4 + (index - 1) * 7
  local key, kind = KEYS[index + 1], ARGV[base + 1]
  local amount, limit = tonumber(ARGV[base + 3]), tonumber(ARGV[base + 4])
  if kind == 'r' then
    local level, at = limit, now
    local stored = redis.call('GET', key)
    if stored then
      local text, since = string.match(stored, '^(%S+) (%S+)$')
      level = math.min(limit, tonumber(text) + (now - tonumber(since)) * tonumber(ARGV[base + 5]))
    end
    standing[index] = level
    room[index] = level >= math.min(amount, limit)
  elseif kind == 'p' then
    local used = redis.call('GET', key)
    if not used then
      used = ARGV[base + 6]
      if tonumber(used) ~= 0 then redis.call('SET', key, used, 'PX', ARGV[base + 7]) end
    end
    standing[index] = tonumber(used)
    room[index] = standing[index] + amount <= limit
  else
    standing[index] = places(key)
    room[index] = standing[index] + amount <= limit
  end
  if not room[index] and ARGV[base + 2] == 'e' then
    return { '0', tostring(index - 1), string.format('%.6f', standing[index]) }
  end
end

local over = {}
for index = 1, count do
  local base = 4 + (index - 1) * 7
  local key, kind, mode = KEYS[index + 1], ARGV[base + 1], ARGV[base + 2]
  local amount = tonumber(ARGV[base + 3])
  if not room[index] then over[#over + 1] = index - 1 end
  -- What would have been refused takes nothing from what only looks on.
  if not (mode == 's' and not room[index]) then
    if kind == 'r' then
      standing[index] = standing[index] - amount
      redis.call('SET', key, string.format('%.6f %.3f', standing[index], now), 'PX', ARGV[base + 7])
    elseif kind == 'p' then
      standing[index] = redis.call('INCRBY', key, ARGV[base + 3])
      redis.call('PEXPIRE', key, ARGV[base + 7])
    else
      local own = string.match(redis.call('HGET', key, replica) or '0|0', '^(%-?%d+)')
      redis.call('HSET', key, replica, string.format('%d|%.0f', tonumber(own) + amount, now + lease))
      redis.call('PEXPIRE', key, ARGV[base + 7])
      standing[index] = standing[index] + amount
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
local texts = {}
for index = 1, count do texts[index] = string.format('%.6f', standing[index]) end
return { '1', table.concat(texts, ' '), table.concat(over, ' ') }
