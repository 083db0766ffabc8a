-- Lines of the audit.
--
-- KEYS  audit
-- ARGV  1 behind this line   2 how many   3 '1': the last ones instead
--
-- Returns {the number of the first, line, line, …}. They are numbered from 1.
local after, most = tonumber(ARGV[1]), tonumber(ARGV[2])
if ARGV[3] == '1' then
  after = math.max(redis.call('LLEN', KEYS[1]) - most, 0)
end
local reply = redis.call('LRANGE', KEYS[1], string.format('%.0f', after),
                         string.format('%.0f', after + most - 1))
table.insert(reply, 1, after + 1)
return reply
