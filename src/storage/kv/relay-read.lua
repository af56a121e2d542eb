-- Reads the parts of a relayed stream after a number, and notes that a gateway reads.
-- KEYS: the claim, the parts, the readers. ARGV: a JSON list of the call's id, the number, the most parts (0 for none), and how long the
-- note holds (ms).
-- Returns whether the claim holds, then the id and the text of each part.
local id, after, most, ttl = unpack(cjson.decode(ARGV[1]))
redis.call('SET', KEYS[3], '1', 'PX', string.format('%.0f', ttl))
local reply = { redis.call('GET', KEYS[1]) == id and 1 or 0 }
if most > 0 then
  local count = string.format('%.0f', most)
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], string.format('(0-%.0f', after), '+', 'COUNT', count)) do
    reply[#reply + 1] = entry[1]
    reply[#reply + 1] = entry[2][2]
  end
end
return reply
