-- Adds what was used while this store could not be reached, once.
-- KEYS: a mark that it was added, then one key for each counter.
-- ARGV: how long the mark is kept (ms); then for each counter: amount, what is known to be used should the key be gone,
--   and how long the key is kept (ms).
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 0 end
for index = 1, #KEYS - 1 do
  local base = 1 + (index - 1) * 3
  local key = KEYS[index + 1]
  if redis.call('EXISTS', key) == 0 then redis.call('SET', key, ARGV[base + 2]) end
  redis.call('INCRBY', key, ARGV[base + 1])
  redis.call('PEXPIRE', key, ARGV[base + 3])
end
return 1
