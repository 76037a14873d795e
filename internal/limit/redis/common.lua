-- What the scripts share. Times are whole microseconds: a Lua number holds them
-- exactly, and Redis' clock tells no less. ARGV[1] is the caller's time, rounded
-- down, ARGV[2] the same rounded up; both are empty where Redis' own time counts.
local now, stamp = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
  stamp = now
end

-- Numbers as text: Lua's own form would drop digits.
local function text(n) return string.format('%.0f', n) end

-- How long a key is kept on, in ms: to the given time, and ARGV[3] more.
local function keep(untill) return text(math.max(1, math.ceil((untill - now) / 1000) + tonumber(ARGV[3]))) end

-- When this Redis began to count, in its own µs. It is kept beside the counts,
-- and goes with them if they are lost; so all who saw it can tell that they
-- were. ARGV[4] is "1" where the last key is it, "0" where it is not asked for.
local born, counted = 0, #KEYS
if ARGV[4] == '1' then
  local key = KEYS[#KEYS]
  counted = counted - 1
  born = redis.call('GET', key)
  if not born then
    local t = redis.call('TIME')
    born = text(t[1] * 1000000 + t[2])
    redis.call('SET', key, born)
  end
  born = tonumber(born)
end

-- The slots of a log in slots, ascending.
local function slots(key)
  local pairs, kept = redis.call('HGETALL', key), {}
  for i = 1, #pairs, 2 do
    local at = tonumber(pairs[i])
    if at then kept[#kept + 1] = {at = at, count = tonumber(pairs[i + 1])} end
  end
  table.sort(kept, function(a, b) return a.at < b.at end)
  return kept
end
