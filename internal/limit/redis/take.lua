-- Counts one under every key, or under none. ARGV[5]: "1" only looks. Then for
-- each key: N, window, slack, how many this key needs up to here, and for a
-- bucket its burst and interval (0 and 0: a log). Answers, after born, the
-- place of the key that is full the longest (0: none) and how long.

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

local function bucketWait(key, need, burst, interval)
  local b = bucket(key)
  return (b and math.max(0, b.time - now) or 0) + (need - burst) * interval
end

local function bucketAdd(key, window, slack, interval)
  local b = bucket(key)
  if not b then
    b = {time = stamp + interval, since = stamp, low = NEVER, last = stamp}
  else
    if stamp > b.since then
      b.low = math.min(b.low, b.time - stamp)
      if b.low < interval then
        b.since, b.low = math.max(stamp, b.last), NEVER
      end
    end
    b.time = math.max(b.time, stamp) + interval
    b.last = math.max(b.last, stamp)
  end
  redis.call('SET', key, words(b), 'PX', keep(math.max(b.time, b.last + window) + slack))
end

local function rule(i)
  local a = 5 + (i - 1) * 6
  return tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]),
    tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]), tonumber(ARGV[a + 6])
end

local full, longest = 0, 0
for i = 1, counted do
  local key = KEYS[i]
  local n, window, _, need, burst, interval = rule(i)
  local wait
  if interval > 0 then wait = bucketWait(key, need, burst, interval) else wait = logWait(key, n, window, need) end
  if wait > longest then full, longest = i, wait end
end
if full == 0 and ARGV[5] ~= '1' then
  for i = 1, counted do
    local key = KEYS[i]
    local n, window, slack, _, _, interval = rule(i)
    if interval > 0 then bucketAdd(key, window, slack, interval) else logAdd(key, n, window, slack) end
  end
end
return {born, full, longest}
