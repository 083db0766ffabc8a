-- A lease that was held is not held any more: whoever waits is told.
--
-- KEYS  answer, lease, window, closed, owner
-- ARGV  1 the call's id   2 the notice, '': none   3 the channel
--
-- Returns 1 when the call had it.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
if ARGV[2] ~= '' then
  redis.call('PUBLISH', ARGV[3], '\0' .. ARGV[2])
end
return 1
