-- Adds to tallies and reads them, in their order. A tally is a hash, from a
-- slot's number to its sum. ARGV[5]: how many slots a window has; then for
-- each key how long one is, and what to add. Answers, after born, for each key
-- the sum and what is settled.
local most = tonumber(ARGV[5])

local function add(key, slot, at, n)
  redis.call('HINCRBY', key, text(at), n)
  local last = at
  for _, s in ipairs(redis.call('HKEYS', key)) do
    local number = tonumber(s)
    if number < at - most - 1 then redis.call('HDEL', key, s) end
    last = math.max(last, number)
  end
  redis.call('PEXPIRE', key, keep((last + most + 2) * slot))
end

local answer = {born}
for i = 1, counted do
  local key = KEYS[i]
  local slot, n = tonumber(ARGV[4 + 2 * i]), ARGV[5 + 2 * i]
  local at = math.floor(now / slot)
  if n ~= '0' then add(key, slot, at, n) end
  local sum, settled = 0, 0
  local pairs = redis.call('HGETALL', key)
  for j = 1, #pairs, 2 do
    local number = tonumber(pairs[j])
    if number >= at - most then
      sum = sum + pairs[j + 1]
      if number < at - 1 then settled = settled + pairs[j + 1] end
    end
  end
  answer[#answer + 1] = sum
  answer[#answer + 1] = settled
end
return answer
