-- Some of the staged edges of a change that is done, put to the others (stage.go).
--
-- KEYS  1 staged
-- ARGV  1 "{workspace}:"  2 resource  3 nonce  4 how many
-- Returns 1 where there may be more.
local call = redis.call
local P, self, left = ARGV[1], ARGV[2], tonumber(ARGV[4])
local state = call('HGET', KEYS[1], self)
if not state or string.sub(state, 1, 14) ~= 'f ' .. ARGV[3] then return 0 end
for _, d in ipairs({'m', 'g'}) do
  for _, sign in ipairs({'+', '-'}) do
    local x = P .. 'x:' .. d .. sign .. ':' .. self
    local ends = call('ZRANGE', x, 0, left - 1)
    for _, e in ipairs(ends) do
      local near, far = P .. d .. ':' .. self, P .. (d == 'm' and 'g' or 'm') .. ':' .. e
      if sign == '+' then
        call('ZADD', near, 0, e)
        call('ZADD', far, 0, self)
      else
        call('ZREM', near, e)
        call('ZREM', far, self)
      end
    end
    if #ends > 0 then call('ZREMRANGEBYRANK', x, 0, #ends - 1) end
    left = left - #ends
    if left <= 0 then return 1 end
  end
end
call('HDEL', KEYS[1], self)
return 0
