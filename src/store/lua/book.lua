-- Ends a ledger row, once. Makes it where the store has lost it.
--
-- KEYS  rows, open, totals
-- ARGV  1 the call's id   2 the new state's letter   3 the row's first half
--       4 its second half, '': it has none   5 '1': billed
--
-- Returns 1 when it changed the row. A reservation that is given up ('U') still takes its end, and
-- only a reservation can be given up.
local id, letter = ARGV[1], ARGV[2]
local row = redis.call('HGET', KEYS[1], id)
local was = row and string.sub(row, 1, 1)
if was and was ~= 'R' and was ~= 'U' or letter == 'U' and was ~= 'R' then
  redis.call('ZREM', KEYS[2], id)
  return 0
end

redis.call('HSET', KEYS[1], id, letter .. (row and string.sub(row, 2) or ARGV[3]) .. ARGV[4])
redis.call('ZREM', KEYS[2], id)
if was then
  redis.call('HINCRBY', KEYS[3], was, -1)
end
redis.call('HINCRBY', KEYS[3], letter, 1)
if ARGV[5] == '1' then
  redis.call('HINCRBY', KEYS[3], 'billed', 1)
end
return 1
