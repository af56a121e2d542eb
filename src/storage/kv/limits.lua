-- A gateway's work of one moment: corrects what earlier reservations took to what was used, then takes for new ones.
-- KEYS: the journal of open reservations, then one key for each counter.
-- ARGV: a JSON list of the replica, how long its slots are held without a sign of life (ms), counters, settlements,
--   reservations, and which of the settlements are of reservations that nobody waits for any more.
--   A counter: [kind (r rate, p period, h slots held), mode (e enforces, s only looks on), limit, what flows into a rate
--     per ms, what is known to be used of a period should its key be gone, how long the key is kept (ms)].
--   Settlements are one list of: reservation, how many corrections, and for each of these a counter and the difference. It
--     happens once: after that the reservation is no longer in the journal.
--   Reservations are one list of: reservation, how many charges, and for each of these a counter and the amount. It takes
--     from all its counters, or from none. One that nobody waits for any more takes nothing, should it come after its
--     settlement, by another connection.
-- All is read before anything is written: a script that fails half way is not undone.
-- Returns a JSON list of numbers. For each reservation: 1, how each of its counters stands, how many of them are over their
--   limit, and which; or 0, which of them refuses, and how that one stands.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local replica, lease, counters, settlements, reservations, abandoned = unpack(cjson.decode(ARGV[1]))
local states, out = {}, {}

local function readRate(key, limit, perMs)
  local level, since = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  if not level then return { counter_state = limit } end
  return { counter_state = math.min(limit, tonumber(level) + math.max(0, now - tonumber(since)) * perMs) }
end

-- Whose gateway has given no sign of life gets its slots back. This one is alive: it is at work.
local function readPlaces(key)
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
    read = readPlaces(key)
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

-- Calls a function with each reservation of a list, and the first and last place of its pairs.
local function each(list, work)
  local at = 1
  while at < #list do
    local last = at + 1 + 2 * list[at + 1]
    work(list[at], at + 2, last)
    at = last + 1
  end
end

-- What the journal has of the reservations of a list.
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
  -- The mark of one that nobody waits for is no reservation: nothing was taken, however often it is settled.
  if open[id] == '-' then open[id] = false end
  if not open[id] or applied[id] then return end
  applied[id] = true
  for at = first, last, 2 do
    local slot = settlements[at]
    -- What is known to be used of a period that is gone has its corrections in it.
    if counters[slot][1] ~= 'p' or state(slot).found then take(slot, settlements[at + 1]) end
  end
end)

-- The first of a reservation's counters that refuses it, and which of them are over their limit.
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
    -- What would have been refused takes nothing from what only looks on.
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
