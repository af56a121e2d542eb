-- Adds what was used while this store could not be reached, once.
-- KEYS: a mark that it was added, then one key for each counter.
-- ARGV: a JSON list of how long the mark is kept (ms), and of counters, each [amount, what is known to be used should the
--   key be gone, how long the key is kept (ms)].
local mark, counters = unpack(cjson.decode(ARGV[1]))
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', string.format('%.0f', mark)) then return 0 end
for index, counter in ipairs(counters) do
  local key = KEYS[index + 1]
  local amount, known, kept = unpack(counter)
  if redis.call('EXISTS', key) == 0 then redis.call('SET', key, string.format('%.0f', known)) end
  redis.call('INCRBY', key, string.format('%.0f', amount))
  redis.call('PEXPIRE', key, string.format('%.0f', kept))
end
return 1
