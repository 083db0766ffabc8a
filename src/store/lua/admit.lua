-- May this call be made? Decided and written down in one step, on one number's slot.
--
-- KEYS  answer, lease, window, closed, owner
-- ARGV  1 the call's id   2 lease, ms   3 most calls in the window, 0: any number   4 window, ms
--       5 '1': infer      6 the triple  7 the kept answer that does not do; '*': none does
--       8 the call whose lease is held for this one, '': none
--
-- Returns {'wait', holder, ms left} | {'kept', answer} | {'inferred', proven at, Unix s}
--       | {'closed', ms left} | {'lead'} | {'next'}. Only the last two write anything.
--       'next': it may be made when the lease was passed to it (pass.lua), which stays as it is till
--       then: what comes between may be refused.
local id, lease_ms = ARGV[1], ARGV[2]
local most, window_ms = tonumber(ARGV[3]), tonumber(ARGV[4])

local holder = redis.call('GET', KEYS[2])
if holder == id then
  return {'lead'}
end
local follows = holder and holder == ARGV[8]
if holder and not follows then
  return {'wait', holder, redis.call('PTTL', KEYS[2])}
end

if ARGV[7] ~= '*' and not follows then
  local kept = redis.call('GET', KEYS[1])
  if kept and kept ~= ARGV[7] then
    return {'kept', kept}
  end
end

if ARGV[5] == '1' and not follows then
  local owner = redis.call('GET', KEYS[5])
  if owner and string.sub(owner, 1, 16) ~= ARGV[6] then
    return {'inferred', tonumber(string.sub(owner, 17))}
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local opens = tonumber(redis.call('GET', KEYS[4]) or 0)
if opens > now then
  return {'closed', opens - now}
end

if most > 0 then
  local begin = string.format('(%.0f', now - window_ms)
  local last_that_counts = redis.call('ZREVRANGEBYSCORE', KEYS[3], '+inf', begin,
                                      'WITHSCORES', 'LIMIT', most - 1, 1)[2]
  if last_that_counts then
    return {'closed', last_that_counts + window_ms - now}
  end
  -- First what a server that is out of memory refuses: after another write it would be let through.
  redis.call('ZADD', KEYS[3], string.format('%.0f', now), id)
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.sub(begin, 2))
  redis.call('PEXPIRE', KEYS[3], window_ms)
end
if follows then
  return {'next'}
end
redis.call('SET', KEYS[2], id, 'PX', lease_ms)
return {'lead'}
