-- Adds use that a gateway counted while this store was unreachable. A retry with the same mark has no effect.
-- KEYS: a mark that the use was added, then two for each counter: the counter, and what it was raised by (`raise.lua`).
-- ARGV: a JSON list of the mark's lifetime (ms) and the counters, each
--   [amount, last known use (the start value when the key is missing), lifetime of the key (ms)].
local mark, counters = unpack(cjson.decode(ARGV[1]))
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', string.format('%.0f', mark)) then return 0 end
for index, counter in ipairs(counters) do
  local key, credit = KEYS[2 * index], KEYS[2 * index + 1]
  local amount, known, kept = unpack(counter)
  if redis.call('EXISTS', key) == 0 then redis.call('SET', key, string.format('%.0f', known)) end
  -- The usage records had it already. Where they had something else instead, they raise the counter again.
  local counted = math.max(0, math.min(amount, tonumber(redis.call('GET', credit) or nil) or 0))
  if counted > 0 then redis.call('DECRBY', credit, string.format('%.0f', counted)) end
  redis.call('INCRBY', key, string.format('%.0f', amount - counted))
  redis.call('PEXPIRE', key, string.format('%.0f', kept))
end
return 1
