-- Ends a ledger row, once. Makes it where the store has lost it.
--
-- KEYS  rows, open, totals, used by package, by client in the day, in the month
-- ARGV  1 the call's id   2 the new state's letter   3 the row's first half
--       4 its second half, '': it has none   5 '1': billed
--
-- Returns 1 when it changed the row. A reservation that is given up ('U') still takes its end, and
-- only a reservation can be given up.
--
-- What counts is what is reserved, unknown, or settled and billed: the counters go with the row, so
-- that they are the rows' sums whatever is told in which order, and how often.
local id, letter = ARGV[1], ARGV[2]
local row = redis.call('HGET', KEYS[1], id)
local was = row and string.sub(row, 1, 1)
if was and was ~= 'R' and was ~= 'U' or letter == 'U' and was ~= 'R' then
  redis.call('ZREM', KEYS[2], id)
  return 0
end

-- First what a server that is out of memory refuses: then nothing has changed.
local begin = row and string.sub(row, 2) or ARGV[3]
redis.call('HSET', KEYS[1], id, letter .. begin .. ARGV[4])
redis.call('ZREM', KEYS[2], id)
if was then
  redis.call('HINCRBY', KEYS[3], was, -1)
end
redis.call('HINCRBY', KEYS[3], letter, 1)
if ARGV[5] == '1' then
  redis.call('HINCRBY', KEYS[3], 'billed', 1)
end

-- The row knows its client and package better than who ends it: a call that is taken back because
-- nobody replied to its reservation was not told what it was drawn from.
local counted = was and 1 or 0
local counts = (letter == 's' and ARGV[5] ~= '1' or letter == 'r') and 0 or 1
if counts ~= counted then
  local client, package = string.match(begin, '^\t[^\t]*\t[^\t]*\t([^\t]*)\t[^\t]*\t([^\t]*)')
  if package ~= '' then
    redis.call('HINCRBY', KEYS[4], package, counts - counted)
  end
  redis.call('HINCRBY', KEYS[5], client, counts - counted)
  redis.call('HINCRBY', KEYS[6], client, counts - counted)
end
return 1
