-- One batch of a gateway: settles earlier reservations, then makes new ones.
-- KEYS: the journal of open reservations, then one key for each counter.
-- ARGV: a JSON list of the replica, the lease of its concurrency slots (ms), counters, settlements, reservations, and the
--   ids of settlements whose reservation got no response.
--   A counter: [kind (r rate, p period, h slots held), mode (e enforce, w warn, s shadow), limit or capacity, amount that
--     flows into a rate per ms, last known use of a period (the start value when the key is missing), lifetime of the key (ms)].
--   Settlements are a flat list of: id, number of corrections, then a counter and a difference for each. A settlement
--     removes the reservation from the journal, so a second one has no effect.
--   Reservations are a flat list of: id, number of charges, then a counter and an amount for each. A reservation charges
--     all its counters, or none. One whose settlement has already run, because its response was lost, charges nothing.
-- Everything is read before anything is written, because a script that fails midway is not rolled back.
-- Returns a JSON list of numbers. For each granted reservation: 1, the state of each counter, the number of exceeded limits
--   that do not reject, and their indexes; for a rejected one: 0, the index of the rejecting charge, and its counter's state.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local replica, lease, counters, settlements, reservations, abandoned = unpack(cjson.decode(ARGV[1]))
local states, out = {}, {}

local function readRate(key, limit, perMs)
  local level, since = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  if not level then return { counter_state = limit } end
  return { counter_state = math.min(limit, tonumber(level) + math.max(0, now - tonumber(since)) * perMs) }
end

-- Releases the slots of gateways whose lease has expired. This gateway is alive, since it runs the script.
local function readSlots(key)
  local held, own, entries = 0, 0, redis.call('HGETALL', key)
  for at = 1, #entries, 2 do
    local count, expires = string.match(entries[at + 1], '^(%-?%d+)|(%d+)$')
    if count and entries[at] == replica then
      own = tonumber(count)
    elseif count and tonumber(expires) >= now then
      held = held + tonumber(count)
    else
      redis.call('HDEL', key, entries[at])
    end
  end
  return { counter_state = held + own, own = own }
end

local function state(slot)
  local read = states[slot]
  if read then return read end
  local key, kind, _, limit, perMs, known = KEYS[slot + 1], unpack(counters[slot])
  if kind == 'r' then
    read = readRate(key, limit, perMs)
  elseif kind == 'p' then
    local stored = tonumber(redis.call('GET', key) or nil)
    read = { counter_state = stored or known, found = stored, change = 0 }
  else
    read = readSlots(key)
  end
  states[slot] = read
  return read
end

local function take(slot, amount)
  local taken, kind, limit = state(slot), counters[slot][1], counters[slot][3]
  if kind == 'r' then
    taken.counter_state = math.min(limit, taken.counter_state - amount)
  elseif kind == 'p' then
    taken.counter_state, taken.change = taken.counter_state + amount, taken.change + amount
  else
    local own = math.max(0, taken.own + amount)
    taken.counter_state, taken.own = taken.counter_state + own - taken.own, own
  end
  taken.changed = taken.changed or amount ~= 0
  return taken.counter_state
end

-- Calls a function with each reservation of a list, and the indexes of its first and last pair.
local function each(list, work)
  local at = 1
  while at < #list do
    local last = at + 1 + 2 * list[at + 1]
    work(list[at], at + 2, last)
    at = last + 1
  end
end

-- The ids of a list, and their entries in the journal.
local function journalled(list)
  local ids, entries = {}, {}
  each(list, function(id) ids[#ids + 1] = id end)
  if #ids > 0 then
    for index, entry in ipairs(redis.call('HMGET', KEYS[1], unpack(ids))) do entries[ids[index]] = entry end
  end
  return ids, entries
end

local settled, open = journalled(settlements)
local applied = {}
each(settlements, function(id, first, last)
  -- The mark of a reservation without a response is not a reservation: it charged nothing.
  if open[id] == '-' then open[id] = false end
  if not open[id] or applied[id] then return end
  applied[id] = true
  for at = first, last, 2 do
    local slot = settlements[at]
    -- The last known use of a period whose key is missing already includes its corrections.
    if counters[slot][1] ~= 'p' or state(slot).found then take(slot, settlements[at + 1]) end
  end
end)

-- Returns the first charge that an enforced limit rejects, or nil, and the charges that exceed other limits.
local function judge(first, last)
  local over = {}
  for at = first, last, 2 do
    local slot, amount = reservations[at], reservations[at + 1]
    local kind, mode, limit = unpack(counters[slot])
    local counter_state, room = state(slot).counter_state, nil
    if kind == 'r' then room = counter_state >= math.min(amount, limit) else room = counter_state + amount <= limit end
    if not room then
      if mode == 'e' then return at, over end
      over[at] = true
    end
  end
  return nil, over
end

local journal = {}
for _, id in ipairs(abandoned) do
  if not open[id] then
    journal[#journal + 1] = id
    journal[#journal + 1] = '-'
  end
end
local _, late = journalled(reservations)
each(reservations, function(id, first, last)
  if late[id] then
    out[#out + 1] = '0,0,0'
    return
  end
  local refused, over = judge(first, last)
  if refused then
    out[#out + 1] = string.format('0,%d,%.6f', (refused - first) / 2, state(reservations[refused]).counter_state)
    return
  end
  local counter_states, indexes, slots = { '1' }, {}, {}
  for at = first, last, 2 do
    local slot = reservations[at]
    local kind, mode = unpack(counters[slot])
    if over[at] then indexes[#indexes + 1] = string.format('%d', (at - first) / 2) end
    -- A request over a limit of mode shadow is not charged there.
    local uncharged = over[at] and mode == 's'
    local counter_state = uncharged and state(slot).counter_state or take(slot, reservations[at + 1])
    if kind == 'h' and not uncharged then slots[#slots + 1] = KEYS[slot + 1] end
    counter_states[#counter_states + 1] = string.format(kind == 'r' and '%.6f' or '%.0f', counter_state)
  end
  journal[#journal + 1] = id
  journal[#journal + 1] = #slots > 0 and cjson.encode(slots) or '[]'
  counter_states[#counter_states + 1] = string.format('%d', #indexes)
  out[#out + 1] = table.concat(counter_states, ',')
  if #indexes > 0 then out[#out + 1] = table.concat(indexes, ',') end
end)

if #settled > 0 then redis.call('HDEL', KEYS[1], unpack(settled)) end
if #journal > 0 then redis.call('HSET', KEYS[1], unpack(journal)) end

for slot, written in pairs(states) do
  if written.changed then
    local key, kept = KEYS[slot + 1], string.format('%.0f', counters[slot][6])
    local kind = counters[slot][1]
    if kind == 'r' then
      redis.call('SET', key, string.format('%.6f %.3f', written.counter_state, now), 'PX', kept)
    elseif kind == 'p' and not written.found then
      redis.call('SET', key, string.format('%.0f', written.counter_state), 'PX', kept)
    elseif kind == 'p' then
      redis.call('INCRBY', key, string.format('%.0f', written.change))
      redis.call('PEXPIRE', key, kept)
    elseif written.own > 0 then
      redis.call('HSET', key, replica, string.format('%.0f|%.0f', written.own, now + lease))
      redis.call('PEXPIRE', key, kept)
    else
      redis.call('HDEL', key, replica)
    end
  end
end
return '[' .. table.concat(out, ',') .. ']'
