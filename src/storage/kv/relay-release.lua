-- Ends a claim, if it is still that of the call. KEYS: the claim. ARGV: a JSON list of the call's id.
local id = unpack(cjson.decode(ARGV[1]))
if redis.call('GET', KEYS[1]) == id then
  redis.call('DEL', KEYS[1])
end
return 1
