-- Raises quotas and budgets to at least the use that the usage records show. Never lowers one.
-- KEYS: two for each counter: the counter, and its credit. The credit is what was raised: a gateway that has counted some of
--   it while this store was unreachable adds it later (`add.lua`), and must not count it twice.
-- ARGV: a JSON list that holds the counters, each
--   [use, last known use (the start value when the key is missing), lifetime of the keys (ms)].
local counters = unpack(cjson.decode(ARGV[1]))
for index, counter in ipairs(counters) do
  local key, credit = KEYS[2 * index - 1], KEYS[2 * index]
  local used, known, kept = unpack(counter)
  local stored = tonumber(redis.call('GET', key) or nil) or known
  if stored < used then
    local lifetime = string.format('%.0f', kept)
    redis.call('SET', key, string.format('%.0f', used), 'PX', lifetime)
    redis.call('INCRBY', credit, string.format('%.0f', used - stored))
    redis.call('PEXPIRE', credit, lifetime)
  end
end
return 1
