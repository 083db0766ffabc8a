-- Writes a document, a line of the audit, or both at once.
--
-- KEYS  version, documents, changes, audit
-- ARGV  1 the document's name ("kind:id"), '': none   2 its body   3 the version that is replaced
--       4 '1': it is given back, and bears the version of 3   5 the line, '': none
--       6 the notice, '': none   7 the channel
--
-- Returns {1, version} when it was written, {0, version} when another one was found; 0: none was.
local name, expected, restore = ARGV[1], tonumber(ARGV[3]), ARGV[4] == '1'
local version = 0

if name ~= '' then
  local document = redis.call('HGET', KEYS[2], name)
  local found = document and tonumber(string.match(document, '^%d+')) or 0
  if restore and document and found >= expected or not restore and found ~= expected then
    return {0, found}
  end

  -- First what a server that is out of memory refuses: then nothing has changed.
  if not restore then
    version = redis.call('INCR', KEYS[1])
  else
    version = expected
    if tonumber(redis.call('GET', KEYS[1]) or 0) < version then
      redis.call('SET', KEYS[1], string.format('%.0f', version))
    end
  end
  local text = string.format('%.0f', version)
  redis.call('HSET', KEYS[2], name, text .. ' ' .. ARGV[2])
  redis.call('ZADD', KEYS[3], text, name)
end

if ARGV[5] ~= '' then
  redis.call('RPUSH', KEYS[4], ARGV[5])
end
if name ~= '' and ARGV[6] ~= '' then
  redis.call('PUBLISH', ARGV[7], '\0' .. ARGV[6])
end
return {1, version}
