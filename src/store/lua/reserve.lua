-- The ledger row of a call that is about to be made, and what it takes of what was bought: decided
-- and written down in one step. The rule is that of budget_judge (money/budget.h).
--
-- KEYS  rows, open, totals, used by package, by client in the day, in the month, version
-- ARGV  1 the call's id   2 the row's first half   3 ms until it is given up
--       4 the version of the documents that the plan was made from; '': there is no plan, and the
--         row is written as it is
--       5 the plan, a line for each package in the order in which they are drawn:
--         package, credential, calls (-1: any number), when it expires (Unix ms, 0: never), by tabs
--       6 calls a day, -1: any   7 calls a month, -1: any   8 percent kept for others
--       9 '1': these three are only reported
--
-- Returns {'there', row} where there is a row already | {'outdated', version}
--       | {'refused', -1, bound, limit, used, day used, month used}
--       | {'reserved', line drawn from, the same five}. Only the last writes anything.
--         `bound` as in the enum budget_bound. `day used` and `month used` are with the call where
--         it was reserved.
local id = ARGV[1]
local FITS, DAY, MONTH, EXHAUSTED, RESERVED = 0, 1, 2, 3, 4

local there = redis.call('HGET', KEYS[1], id)
if there then
  return {'there', there}
end

local version = tonumber(redis.call('GET', KEYS[7]) or 0)
local planned = ARGV[4] ~= ''
if planned and tonumber(ARGV[4]) ~= version then
  return {'outdated', version}
end

local begin, client, credential, package =
  string.match(ARGV[2], '^(\t[^\t]*\t[^\t]*\t([^\t]*))\t([^\t]*)\t([^\t]*)$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local day_used = tonumber(redis.call('HGET', KEYS[5], client) or 0)
local month_used = tonumber(redis.call('HGET', KEYS[6], client) or 0)
local chosen, bound, limit, used = 0, FITS, 0, 0

if planned then
  -- A line is in force while it has not expired and has a call left; the first one is drawn from.
  -- `all`: of the lines that have not expired; `bought` and `left`: of those in force.
  local lines, metered, bought, left, all, all_used = 0, true, 0, 0, 0, 0
  chosen = -1
  for line_package, line_credential, calls, expires in
    string.gmatch(ARGV[5], '([^\t\n]*)\t([^\t]*)\t([^\t]*)\t([^\n]*)\n') do
    calls, expires = tonumber(calls), tonumber(expires)
    if expires == 0 or expires > now then
      local line_used = 0
      if calls >= 0 then
        line_used = tonumber(redis.call('HGET', KEYS[4], line_package) or 0)
        all, all_used = all + calls, all_used + line_used
      end
      if calls < 0 or line_used < calls then
        if chosen < 0 then
          chosen, package, credential = lines, line_package, line_credential
        end
        if calls < 0 then
          metered = false
        else
          bought, left = bought + calls, left + calls - line_used
        end
      end
    end
    lines = lines + 1
  end

  local day_most, month_most = tonumber(ARGV[6]), tonumber(ARGV[7])
  local kept = math.floor((bought * tonumber(ARGV[8]) + 99) / 100)
  local shadow = ARGV[9] == '1'
  if day_most >= 0 and day_used >= day_most then
    bound, limit, used = DAY, day_most, day_used
  elseif month_most >= 0 and month_used >= month_most then
    bound, limit, used = MONTH, month_most, month_used
  end
  if bound == FITS or shadow then
    if chosen < 0 then
      bound, limit, used = EXHAUSTED, all, all_used
    elseif bound == FITS and metered and left - 1 < kept then
      bound, limit, used = RESERVED, bought - kept, bought - left
    end
  end
  if bound == EXHAUSTED or bound ~= FITS and not shadow then
    return {'refused', -1, bound, limit, used, day_used, month_used}
  end
end

-- First what a server that is out of memory refuses: then nothing has changed.
redis.call('HSET', KEYS[1], id, 'R' .. begin .. '\t' .. credential .. '\t' .. package)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[3])), id)
redis.call('HINCRBY', KEYS[3], 'R', 1)
if package ~= '' then
  redis.call('HINCRBY', KEYS[4], package, 1)
end
redis.call('HINCRBY', KEYS[5], client, 1)
redis.call('HINCRBY', KEYS[6], client, 1)
return {'reserved', chosen, bound, limit, used, day_used + 1, month_used + 1}
