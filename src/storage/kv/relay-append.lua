-- Adds a part to a relayed stream, and renews the claim of the gateway that makes the call.
-- KEYS: the claim, the parts, the readers. ARGV: a JSON list of the call's id, the part's number, its text (empty for none),
-- the number of the first part to keep, and the lifetime (ms).
-- Returns whether another gateway reads.
local id, number, text, first, ttl = unpack(cjson.decode(ARGV[1]))
local lifetime = string.format('%.0f', ttl)
if text ~= '' then
  redis.call('XADD', KEYS[2], string.format('0-%.0f', number), 't', text)
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('0-%.0f', first))
end
redis.call('PEXPIRE', KEYS[2], lifetime)
if redis.call('GET', KEYS[1]) == id then
  redis.call('PEXPIRE', KEYS[1], lifetime)
end
return redis.call('EXISTS', KEYS[3])
