-- Forgets one answer, and who is the number's owner where this answer says so.
--
-- KEYS  answer, lease, window, closed, owner
-- ARGV  1 the triple; '': the owner, whoever it is   2 the notice, '': none   3 the channel
--
-- Returns how many answers there were.
local owner = redis.call('GET', KEYS[5])
if owner and (ARGV[1] == '' or string.sub(owner, 1, 16) == ARGV[1]) then
  redis.call('DEL', KEYS[5])
end
local forgotten = ARGV[1] == '' and 0 or redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then
  redis.call('PUBLISH', ARGV[3], '\0' .. ARGV[2])
end
return forgotten
