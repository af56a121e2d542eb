-- Adds an entry of the cache to the index of its bucket, removes expired ones from it, and selects those beyond its size.
-- KEYS: a sorted set of entries by their expiry, a hash of their owners.
-- ARGV: a JSON list of the entry, its expiry (Unix ms), its owner, the time now (Unix ms), the most entries of the bucket,
--   and the lifetime of the entry (ms).
-- Returns the entries to delete.
local entry, expiry, owner, now, most, kept = unpack(cjson.decode(ARGV[1]))
local index, owners = KEYS[1], KEYS[2]
local function forget(entries)
  if #entries == 0 then return end
  redis.call('ZREM', index, unpack(entries))
  redis.call('HDEL', owners, unpack(entries))
end
forget(redis.call('ZRANGEBYSCORE', index, '-inf', string.format('%.0f', now), 'LIMIT', 0, 1000))
redis.call('ZADD', index, string.format('%.0f', expiry), entry)
redis.call('HSET', owners, entry, owner)
local over = math.min(redis.call('ZCARD', index) - most, 1000)
local removed = {}
if over > 0 then
  removed = redis.call('ZRANGE', index, 0, over - 1)
  forget(removed)
end
if redis.call('PTTL', index) < kept then
  redis.call('PEXPIRE', index, string.format('%.0f', kept))
  redis.call('PEXPIRE', owners, string.format('%.0f', kept))
end
return removed
