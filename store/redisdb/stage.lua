-- Some of the edges of a Tx that has more than one step may change (store.MaxEdges; see stage.go).
--
-- KEYS  1 staged  2 record  3 members  4 groups, then the record of each end of an edge
-- ARGV  1 "{workspace}:"  2 resource  3 nonce  4 expect  5 refuse unknown  6 edges, then for each
--       edge as in commit.lua: sign, id, how many ends, the ends
local call = redis.call
local P, self, nonce, expect = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local head = call('GETRANGE', KEYS[2], 0, 53)
if head ~= '' and string.sub(head, 30, 41) == nonce then return {'done'} end
local state = call('HGET', KEYS[1], self)
if state and string.sub(state, 3, 14) ~= nonce then return {'busy', self} end
if state and string.sub(state, 1, 1) == 'f' then return {'done'} end
local version = head == '' and 0 or tonumber(string.sub(head, 1, 16))
if not (expect == '*' and head ~= '' or expect ~= '*' and tonumber(expect) == version) then return {'version'} end

local others, k, a = call('HLEN', KEYS[1]) > (state and 1 or 0), 4, 6
local dropped = {}
-- Nothing is written before all of it is known to be possible: what is staged without a mark in KEYS[1]
-- would belong to nobody.
local writes = {}
local function write(...) writes[#writes + 1] = {...} end
for i = 1, tonumber(ARGV[6]) do
  local sign, who, n = ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3])
  a = a + 3
  local known = false
  for j = 1, n do
    local rec, other = KEYS[k + 1], ARGV[a + 1]
    k, a = k + 1, a + 1
    if not (sign == '+' and (known or call('EXISTS', rec) == 0)) then
      known = true
      if others and call('HEXISTS', KEYS[1], other) == 1 then return {'busy', other} end
      local own, want = sign ~= '<', sign == '+'
      local was = call('ZSCORE', own and KEYS[3] or KEYS[4], other) and true or false
      local side = P .. 'x:' .. (own and 'm' or 'g')
      write('ZREM', side .. (want and '-:' or '+:') .. self, other)
      if was ~= want then
        write('ZADD', side .. (want and '+:' or '-:') .. self, 0, other)
      else
        write('ZREM', side .. (want and '+:' or '-:') .. self, other)
      end
    end
  end
  if not known then
    if ARGV[5] == '1' then return {'unknown', who} end
    dropped[#dropped + 1] = who
  end
end
for _, w in ipairs(writes) do call(unpack(w)) end
local now = call('TIME')
local ms = string.format('%013d', tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000))
call('HSET', KEYS[1], self, 'p ' .. nonce .. ' ' .. ms)
return {'ok', dropped}
