-- Counts one under every key, or under none. ARGV[5]: "1" only looks. Then for
-- each key: N, window, slack, how many this key needs up to here, and how long
-- its slots are (0: every time is kept). Answers, after born, the place of the
-- key that is full the longest (0: none) and how long.

-- The log is a list of times, ascending: with N of them later than the window's
-- beginning it is full. The one that must have lapsed is found from its end.
local function logWait(key, n, window, need)
  if need > n then return window end
  local at = redis.call('LINDEX', key, need - n - 1)
  return at and at + window - now or 0
end

-- What lapsed is dropped where there are N: fewer do no harm.
local function logAdd(key, n, window, slack)
  local lapsed = now - window - slack
  local last = tonumber(redis.call('LINDEX', key, -1))
  if last and last <= lapsed then
    redis.call('DEL', key)
    last = nil
  end
  local length = 0
  if not last or last <= stamp then
    length = redis.call('RPUSH', key, text(stamp))
    last = stamp
  else
    for _, at in ipairs(redis.call('LRANGE', key, 0, -1)) do
      if tonumber(at) > stamp then
        length = redis.call('LINSERT', key, 'BEFORE', at, text(stamp))
        break
      end
    end
  end
  while length > n and tonumber(redis.call('LINDEX', key, 0)) <= lapsed do
    redis.call('LPOP', key)
    length = length - 1
  end
  redis.call('PEXPIRE', key, keep(last + window + slack))
end

-- The log in slots is a hash, from a slot's number to how many it counts, and
-- "all": their sum. Only where that might be too many are they looked through.
local function slotsWait(key, n, window, need, slot)
  if need > n then return window end
  local all = tonumber(redis.call('HGET', key, 'all'))
  if not all or all + need <= n then return 0 end
  local left = n - need
  local kept = slots(key)
  for i = #kept, 1, -1 do
    left = left - kept[i].count
    if left < 0 then return (kept[i].at + 1) * slot - 1 + window - now end
  end
  return 0
end

-- What lapsed is dropped where a slot begins.
local function slotsAdd(key, window, slack, slot)
  local at = math.floor(stamp / slot)
  redis.call('HINCRBY', key, 'all', 1)
  if redis.call('HINCRBY', key, text(at), 1) > 1 and tonumber(redis.call('HGET', key, 'last')) >= at then return end
  local last = at
  for _, s in ipairs(slots(key)) do
    if s.at < math.floor((now - window - slack) / slot) then
      redis.call('HDEL', key, text(s.at))
      if s.count > 0 then redis.call('HINCRBY', key, 'all', -s.count) end
    end
    last = math.max(last, s.at)
  end
  redis.call('HSET', key, 'last', text(last))
  redis.call('PEXPIRE', key, keep((last + 1) * slot + window + slack))
end

local function rule(i)
  local a = 5 + (i - 1) * 5
  return tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
end

local full, longest = 0, 0
for i = 1, counted do
  local n, window, _, need, slot = rule(i)
  local wait
  if slot > 0 then wait = slotsWait(KEYS[i], n, window, need, slot) else wait = logWait(KEYS[i], n, window, need) end
  if wait > longest then full, longest = i, wait end
end
if full == 0 and ARGV[5] ~= '1' then
  for i = 1, counted do
    local n, window, slack, _, slot = rule(i)
    if slot > 0 then slotsAdd(KEYS[i], window, slack, slot) else logAdd(KEYS[i], n, window, slack) end
  end
end
return {born, full, longest}
