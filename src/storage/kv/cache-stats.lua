-- Adds to the counts of one hour.
-- KEYS: a hash of counts.
-- ARGV: a JSON list of the hash's lifetime (ms), and pairs of a field and what is added to it, as text.
local list = cjson.decode(ARGV[1])
for at = 2, #list, 2 do
  redis.call('HINCRBY', KEYS[1], list[at], list[at + 1])
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', list[1]))
return 1
