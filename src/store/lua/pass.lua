-- Passes a lease that is held to the call that comes next. May run again for the same call.
--
-- KEYS  answer, lease, window, closed, owner
-- ARGV  1 the call that holds it   2 the next one   3 lease, ms   4 the notice   5 the channel
--
-- Returns 1 when the next one has it; 0 when it ran out, or is another's.
local holder = redis.call('GET', KEYS[2])
if holder == ARGV[2] then
  return 1
end
if holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[5], '\0' .. ARGV[4])
return 1
