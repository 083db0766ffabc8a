-- An admitted call is not made after all: it does not count, and whoever waits for it asks again.
--
-- KEYS  answer, lease, window, closed, owner
-- ARGV  1 the call's id   2 the notice   3 the channel
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('PUBLISH', ARGV[3], '\0' .. ARGV[2])
return 1
