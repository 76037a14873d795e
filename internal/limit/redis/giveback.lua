-- Takes back one that was counted under every key. By the caller's time it is
-- the one of that very time. By Redis' time, ARGV[5] is how long ago it was taken
-- at most: the earliest since then goes. That is the one meant or one before it,
-- so what is kept never lapses too early. Then for each key how long its slots
-- are (0: every time is kept).
local from, to = stamp, stamp
if ARGV[1] == '' then from = now - ARGV[5] end

local function logGiveBack(key)
  for _, at in ipairs(redis.call('LRANGE', key, 0, -1)) do
    local t = tonumber(at)
    if t > to then return end
    if t >= from then
      redis.call('LREM', key, 1, at)
      return
    end
  end
end

local function slotsGiveBack(key, slot)
  local first, last = math.floor(from / slot), math.floor(to / slot)
  for _, s in ipairs(slots(key)) do
    if s.at > last then return end
    if s.at >= first and s.count > 0 then
      redis.call('HINCRBY', key, text(s.at), -1)
      redis.call('HINCRBY', key, 'all', -1)
      return
    end
  end
end

for i = 1, counted do
  local slot = tonumber(ARGV[5 + i])
  if slot > 0 then slotsGiveBack(KEYS[i], slot) else logGiveBack(KEYS[i]) end
end
return {born}
