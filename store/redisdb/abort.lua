-- The end of a change that was staged and will not be done (stage.go).
--
-- KEYS  1 staged
-- ARGV  1 "{workspace}:"  2 resource  3 nonce  4 the age in ms from which on the nonce does not
--       matter
-- Returns 0 while someone may be at work on it, 1 when it is gone, and the nonce of one that
-- is done and to be merged.
local call = redis.call
local self = ARGV[2]
local state = call('HGET', KEYS[1], self)
if not state then return 1 end
local nonce = string.sub(state, 3, 14)
if string.sub(state, 1, 1) == 'f' then return nonce end
local now = call('TIME')
local age = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - tonumber(string.sub(state, 16))
if nonce ~= ARGV[3] and age < tonumber(ARGV[4]) then return 0 end
for _, side in ipairs({'m+:', 'm-:', 'g+:', 'g-:'}) do call('UNLINK', ARGV[1] .. 'x:' .. side .. self) end
call('HDEL', KEYS[1], self)
return 1
