-- Keeps the responses of requests with idempotency keys.
-- KEYS: the entry, the tenant's index of completed entries (by time), their lengths (by entry, and '' for the sum).
-- ARGV: a JSON list that begins with what to do. An entry is `fingerprint lease`, and after completion
--   `fingerprint - response`.
--   begin, value, lifetime (ms): stores the value where there is none. Returns what was there, else nil.
--   renew, value, lifetime (ms): extends the lifetime of this value.
--   release, value: deletes this value.
--   complete, value, new value, lifetime (ms), now (ms), most entries, greatest sum: replaces this value. Returns the
--   entries that have to be deleted for it.
local request = cjson.decode(ARGV[1])
local what, value = request[1], request[2]
if what == 'begin' then
  local known = redis.call('GET', KEYS[1])
  if known then return known end
  redis.call('SET', KEYS[1], value, 'PX', string.format('%.0f', request[3]))
  return nil
end
if redis.call('GET', KEYS[1]) ~= value then return nil end
if what == 'renew' then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', request[3]))
  return nil
end
if what == 'release' then
  redis.call('DEL', KEYS[1])
  return nil
end
local new, lifetime, now, most, greatest = request[3], request[4], request[5], request[6], request[7]
redis.call('SET', KEYS[1], new, 'PX', string.format('%.0f', lifetime))
redis.call('ZADD', KEYS[2], string.format('%.0f', now), KEYS[1])
redis.call('HSET', KEYS[3], KEYS[1], #new)
local sum = redis.call('HINCRBY', KEYS[3], '', #new)
local evicted = {}
local function evict(names)
  for _, name in ipairs(names) do
    local length = tonumber(redis.call('HGET', KEYS[3], name) or 0)
    redis.call('HDEL', KEYS[3], name)
    redis.call('ZREM', KEYS[2], name)
    sum = redis.call('HINCRBY', KEYS[3], '', -length)
    evicted[#evicted + 1] = name
  end
end
evict(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - lifetime), 'LIMIT', 0, 100))
while redis.call('ZCARD', KEYS[2]) > most or sum > greatest do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)
  if #oldest == 0 then break end
  evict(oldest)
end
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', lifetime))
redis.call('PEXPIRE', KEYS[3], string.format('%.0f', lifetime))
return evicted
