-- The ledger row of a call that is about to be made.
--
-- KEYS  rows, open, totals
-- ARGV  1 the call's id   2 the row's first half   3 ms until it is given up
--
-- Returns 0 when there is a row already.
if redis.call('HSETNX', KEYS[1], ARGV[1], 'R' .. ARGV[2]) == 0 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[3])), ARGV[1])
redis.call('HINCRBY', KEYS[3], 'R', 1)
return 1
