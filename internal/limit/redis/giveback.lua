-- Takes back one that was counted under every key. By the caller's time it is
-- the one of that very time. By Redis' time, ARGV[5] is how long ago it was taken
-- at most: the earliest since then goes. That is the one meant or one before it,
-- so what is kept never lapses too early. Then for each key its interval (0: a log).
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

local function bucketGiveBack(key, interval)
  local b = bucket(key)
  if not b or from < b.since or from > b.last or b.low < interval then return end
  b.time = b.time - interval
  if b.low < NEVER then b.low = b.low - interval end
  redis.call('SET', key, words(b), 'KEEPTTL')
end

for i = 1, counted do
  local key = KEYS[i]
  local interval = tonumber(ARGV[5 + i])
  if interval > 0 then bucketGiveBack(key, interval) else logGiveBack(key) end
end
return {born}
