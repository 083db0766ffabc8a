-- What a call that ended leaves on its number's slot. May run again for the same call: then it
-- changes nothing, or restores what the store has lost.
--
-- KEYS  answer, lease, window, closed, owner
-- ARGV  1 the call's id    2 '1': released, it does not count   3 ms since it was reserved
--       4 window, ms       5 the answer to keep, '': none       6 how long to keep it, ms
--       7 the triple       8 '1': the number is this triple's, '0': it is not, '': says nothing
--       9 how long it is proven, ms     10 checked at, Unix s   11 close the number, ms, '0': do not
--      12 ms since it was settled       13 the notice, '': none  14 the channel
--      15 '1': the lease stays with the call, if it has it
--
-- Returns 1 when the answer was stored: a newer one is never replaced.
local id = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- When the encoded answer (core/answer.h) was checked: its first varint, behind three bytes. As it
-- stands, doubled for its sign: only compared.
local function checked_at(answer)
  local number, unit = 0, 1
  for i = 4, 13 do
    local byte = string.byte(answer, i) or 0
    number = number + (byte % 128) * unit
    unit = unit * 128
    if byte < 128 then
      break
    end
  end
  return number
end

-- What a server that is out of memory refuses comes first: then nothing has changed.
local age, window_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[2] ~= '1' and age < window_ms then
  if redis.call('ZADD', KEYS[3], 'NX', string.format('%.0f', now - age), id) == 1 then
    redis.call('PEXPIRE', KEYS[3], window_ms)
  end
end

local stored = 0
if ARGV[5] ~= '' and tonumber(ARGV[6]) > 0 then
  local kept = redis.call('GET', KEYS[1])
  if not kept or checked_at(kept) <= checked_at(ARGV[5]) then
    redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[6])
    stored = 1
  end
end

if ARGV[8] ~= '' then
  local owner = redis.call('GET', KEYS[5])
  local newer = owner and tonumber(string.sub(owner, 17)) > tonumber(ARGV[10])
  if ARGV[8] == '1' and not newer and tonumber(ARGV[9]) > 0 then
    redis.call('SET', KEYS[5], ARGV[7] .. ARGV[10], 'PX', ARGV[9])
  elseif ARGV[8] == '0' and owner and not newer and string.sub(owner, 1, 16) == ARGV[7] then
    redis.call('DEL', KEYS[5])
  end
end

local close_ms = tonumber(ARGV[11])
if close_ms > 0 then
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[3], string.format('(%.0f', now - close_ms), '+inf',
                            'WITHSCORES', 'LIMIT', 0, 1)[2]
  local opens = (oldest or now - tonumber(ARGV[12])) + close_ms
  if opens > now and opens > tonumber(redis.call('GET', KEYS[4]) or 0) then
    redis.call('SET', KEYS[4], string.format('%.0f', opens), 'PX', string.format('%.0f', opens - now))
  end
end

if ARGV[2] == '1' then
  redis.call('ZREM', KEYS[3], id)
end
if ARGV[15] ~= '1' and redis.call('GET', KEYS[2]) == id then
  redis.call('DEL', KEYS[2])
end
if ARGV[13] ~= '' then
  redis.call('PUBLISH', ARGV[14], string.char(stored) .. ARGV[13])
end
return stored
