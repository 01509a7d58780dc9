-- One store.Tx. boltdb/apply.go is the same, step by step.
--
-- KEYS  1 seq  2 feed  3 record  4 spaces  5 members  6 groups  7 fence  8 names  9 images  10 staged
--       11 deleted, then one for each claim and release (its space), then two for each end of an edge that may be
--       meant: its record, and its list of edges on the other side.
-- ARGV  1 resource  2 id  3 expect  4 op  5 nonce  6 payload  7 fence number or ''
--       8 refuse unknown  9 want payload  10 feed entries to keep
--       11 actor  12 client  13 request  14 claims  15 releases  16 edges
--       17 attributes changed  18 has a name  19 name  20 images to keep
--       21 the edges are staged (stage.go)  22 those of members as in a feed entry  23 the groups
--       that lose it  24 members added  25 members removed  26 keep what is deleted
--       27 when it was first made, of a resource that is restored  28 what is known of the feed entry
--       (feedrow.go) or '', then for each claim: key mark from; for each release: key; for each edge: its sign ('+', '-', or '<' for
--       leaving a group), the id, how many ends, the ends.
local call, KEYS, ARGV = redis.call, KEYS, ARGV
local self, id, expect, op, nonce, payload = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

-- The header (store/record.go): version 16, modified 13, nonce 12, created 13.
local head = call('GETRANGE', KEYS[3], 0, 53)
local found, version, modified, created = head ~= '', '0', '', ''
if found then
  version, modified, created = string.sub(head, 1, 16), string.sub(head, 17, 29), string.sub(head, 42, 54)
end
local function record(status)
  local body = ''
  if ARGV[9] == '1' and found then body = call('GETRANGE', KEYS[3], 54, -1) end
  return {status, version, modified, created, 0, 0, {}, body}
end

if found and not (#head == 54 and string.match(string.sub(head, 1, 29) .. created, '^%d+$')) then return {'damaged'} end
if found and string.sub(head, 30, 41) == nonce then return record('replayed') end
if ARGV[7] ~= '' and (call('GET', KEYS[7]) or '0') ~= ARGV[7] then return {'fenced'} end
if not (expect == '*' and found or expect ~= '*' and tonumber(expect) == tonumber(version)) then
  return {'version', version}
end

-- Claims. A holder is its id, or id, space, mark.
local function holder(space, key)
  local v = call('HGET', space, key)
  if not v then return nil, '' end
  local cut = string.find(v, ' ', 1, true)
  if not cut then return v, '' end
  return string.sub(v, 1, cut - 1), string.sub(v, cut + 1)
end
local k, a = 11, 28
local claims, releases = {}, {}
for i = 1, tonumber(ARGV[14]) do
  local space, key, mark, from = KEYS[k + 1], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  k, a = k + 1, a + 3
  local held, has = holder(space, key)
  if from == key then -- a mark on what is held
    if held == id then claims[#claims + 1] = {space, key, mark ~= '' and mark or has} end
  else
    if held and held ~= id then return {'taken', i - 1, held} end
    if mark == '' and from ~= '' then
      local was, old = holder(space, from)
      if was == id then mark = old end
    end
    if mark == '' then mark = has end
    claims[#claims + 1] = {space, key, mark}
  end
end
for i = 1, tonumber(ARGV[15]) do
  local space, key = KEYS[k + 1], ARGV[a + 1]
  k, a = k + 1, a + 1
  if holder(space, key) == id then releases[#releases + 1] = {space, key} end
end

-- Edges, each end once, in the order they came. Of many, the ends are mostly all there, and often the list is new:
-- then neither need be asked of each.
local ends = {}
for i = k + 1, #KEYS, 2 do ends[#ends + 1] = KEYS[i] end
local all, new = false, false
if #ends > 1 then
  all, new = call('EXISTS', unpack(ends)) == #ends, call('EXISTS', KEYS[5]) == 0
end
local seen, order, dropped = {[true] = {}, [false] = {}}, {}, {}
for i = 1, tonumber(ARGV[16]) do
  local sign, who, n = ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3])
  a = a + 3
  local known = false
  for j = 1, n do
    local rec, far, other = KEYS[k + 1], KEYS[k + 2], ARGV[a + 1]
    k, a = k + 2, a + 1
    if not (sign == '+' and (known or not all and call('EXISTS', rec) == 0)) then
      known = true
      local own = sign ~= '<'
      local e = seen[own][other]
      if not e then
        local near = own and KEYS[5] or KEYS[6]
        local was = not (own and new) and call('ZSCORE', near, other) and true or false
        e = {other = other, own = own, near = near, far = far, rec = rec, was = was}
        seen[own][other] = e
        order[#order + 1] = e
      end
      e.want = sign == '+'
    end
  end
  if not known then
    if ARGV[8] == '1' then return {'unknown', who} end
    dropped[#dropped + 1] = who
  end
end
local edges, gone, left = {}, 0, 0
for _, e in ipairs(order) do
  if e.was ~= e.want then
    edges[#edges + 1] = e
    if not e.want then
      if e.own then gone = gone + 1 else left = left + 1 end
    end
  end
end

-- Edges of many, which are staged, and who must wait for those.
local P, staged = string.sub(KEYS[1], 1, -4), ARGV[21] == '1'
if staged then
  if string.sub(call('HGET', KEYS[10], self) or '', 1, 14) ~= 'p ' .. nonce then return {'busy', self} end
  gone, left = call('ZCARD', P .. 'x:m-:' .. self), call('ZCARD', P .. 'x:g-:' .. self)
elseif (#order > 0 or op == 'd') and call('HLEN', KEYS[10]) > 0 then
  -- An edge that seems to be as it is wanted may be about to be merged: every one that is named waits.
  if call('HEXISTS', KEYS[10], self) == 1 then return {'busy', self} end
  for _, e in ipairs(order) do
    if call('HEXISTS', KEYS[10], e.other) == 1 then return {'busy', e.other} end
  end
  if op == 'd' then
    for _, s in ipairs(call('HKEYS', KEYS[10])) do
      if call('ZSCORE', P .. 'x:m+:' .. s, self) or call('ZSCORE', P .. 'x:g+:' .. s, self) then return {'busy', s} end
    end
  end
end
if op == 'd' and (call('ZCARD', KEYS[5]) > gone or call('ZCARD', KEYS[6]) > left) then return {'edges'} end

local function claim()
  for _, c in ipairs(claims) do
    local value = id
    if c[3] ~= '' then value = id .. ' ' .. c[3] end
    if call('HSET', c[1], c[2], value) == 1 and call('HLEN', c[1]) == 1 then
      call('SADD', KEYS[4], string.match(c[1], '^{[^}]*}:c:(.*)$'))
    end
  end
end

local added, removed = tonumber(ARGV[24]), tonumber(ARGV[25])
if op == 't' and #edges + added + removed == 0 then
  local r = record('unchanged')
  r[7] = dropped
  claim()
  return r
end

-- Nothing above has written; nothing below may fail, for Redis does not undo a script. The
-- feed comes first: it alone could be refused, if someone had written to it by hand.
local now = call('TIME')
local ms = string.format('%013d', tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000))
if not found then created = ARGV[27] ~= '' and ARGV[27] or ms elseif ms < created then ms = created end -- the clock was put back
local seq = string.format('%d', tonumber(call('GET', KEYS[1]) or '0') + 1)

local moves, lost = {}, {}
for _, e in ipairs(edges) do
  if not e.own then
    lost[#lost + 1] = e.other
  elseif e.want then
    added = added + 1
    moves[#moves + 1] = '+' .. e.other
  else
    removed = removed + 1
    moves[#moves + 1] = '-' .. e.other
  end
end
local entry
local function field(name, value)
  if value ~= '' then
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
end
if ARGV[28] ~= '' then
  entry = {'e', ARGV[28], 'b', string.format('%d', tonumber(version)), 't', ms}
else
  local what = 'update'
  if op == 'd' then what = 'delete' elseif op == 't' then what = 'members' elseif not found then what = 'create' end
  entry = {'o', what, 'r', self, 'b', string.format('%d', tonumber(version)), 't', ms, 'n', nonce}
  field('a', ARGV[11])
  field('c', ARGV[12])
  field('q', ARGV[13])
  field('d', ARGV[17])
end
moves = staged and ARGV[22] or table.concat(moves, ' ')
lost = staged and ARGV[23] or table.concat(lost, ' ')
field('m', moves)
field('g', lost)
call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[10], seq .. '-0', unpack(entry))
call('SET', KEYS[1], seq)

local keep, before = tonumber(ARGV[20]), nil
if keep == 0 then call('UNLINK', KEYS[9]) end
if found and (keep > 0 or op == 'd') then before = call('GET', KEYS[3]) end

local result = record('done')
result[2], result[3], result[4], result[5], result[6], result[7] = seq, ms, created, added, removed, dropped
local touch = string.format('%016d', seq) .. ms .. nonce
if op == 'd' then
  call('DEL', KEYS[3])
elseif op == 'p' then
  call('SET', KEYS[3], touch .. created .. payload)
else
  call('SETRANGE', KEYS[3], 0, touch)
end
if keep > 0 then
  local image = {'r', self}
  if before then
    image[3], image[4] = 'o', before
  end
  if op ~= 'd' then
    image[#image + 1] = 'w'
    image[#image + 1] = touch .. created .. (op == 'p' and payload or '')
  end
  -- Where someone wrote to it by hand, it refuses: then this change has none, which fsck tells.
  redis.pcall('XADD', KEYS[9], 'MAXLEN', '~', ARGV[20], seq .. '-0', unpack(image))
end
local joined = {}
for _, e in ipairs(edges) do
  if e.want then
    joined[#joined + 1], joined[#joined + 2] = 0, e.other
    call('ZADD', e.far, 0, self)
  else
    call('ZREM', e.near, e.other)
    call('ZREM', e.far, self)
    if not e.own and e.other ~= self and call('EXISTS', e.rec) == 1 then call('SETRANGE', e.rec, 0, touch) end
  end
end
if #joined > 0 then call('ZADD', KEYS[5], unpack(joined)) end
if op == 'd' and ARGV[26] == '1' then
  call('HSET', KEYS[11], self, string.format('%016d', seq) .. ms .. #lost .. ':' .. lost .. #moves .. ':' .. moves .. before)
elseif op == 'p' and not found and ARGV[27] == '' then
  call('HDEL', KEYS[11], self)
end
if staged then
  for ref in string.gmatch(ARGV[23], '%S+') do
    local key = P .. 'r:' .. ref
    if call('EXISTS', key) == 1 then call('SETRANGE', key, 0, touch) end
  end
  call('HSET', KEYS[10], self, 'f ' .. nonce .. ' ' .. ms)
end
if ARGV[18] == '1' then
  if op == 'd' then call('HDEL', KEYS[8], self) else call('HSET', KEYS[8], self, ARGV[19]) end
end
claim()
for _, c in ipairs(releases) do
  call('HDEL', c[1], c[2])
  if call('EXISTS', c[1]) == 0 then call('SREM', KEYS[4], string.match(c[1], '^{[^}]*}:c:(.*)$')) end
end
return result
