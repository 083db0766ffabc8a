-- Adds to counters.
--
-- KEYS  counters
-- ARGV  name, what is added, name, …
for i = 1, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
return 1
