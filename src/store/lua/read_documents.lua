-- Documents that were written after a version, in the order of their versions: a piece of them.
--
-- KEYS  version, documents, changes
-- ARGV  1 the version   2 how many; more only where several bear the same version
--
-- Returns {the store's version, how many of the rest there may be: 0 or 1,
--          name, version and body, name, version and body, …}.
local function after(text)
  return '(' .. text
end

local since, most = ARGV[1], tonumber(ARGV[2])
local found = redis.call('ZRANGEBYSCORE', KEYS[3], after(since), '+inf', 'WITHSCORES',
                         'LIMIT', 0, most)
local names, more = {}, #found == 2 * most and 1 or 0
if more == 1 then
  -- Whoever asks on says the last version, and is told nothing of that one any more.
  local last = string.format('%.0f', found[#found])
  names = redis.call('ZRANGEBYSCORE', KEYS[3], after(since), last)
else
  for i = 1, #found, 2 do
    names[#names + 1] = found[i]
  end
end

local reply = {tonumber(redis.call('GET', KEYS[1]) or 0), more}
for _, name in ipairs(names) do
  local document = redis.call('HGET', KEYS[2], name)
  if document then
    reply[#reply + 1] = name
    reply[#reply + 1] = document
  end
end
return reply
