-- One record and the groups that it is a member of, with their names (store.Reader.Read).
--
-- KEYS  1 record  2 staged  3 names  4 groups
-- Returns the record, its groups, the name of each, and how many are direct; the record alone where
-- there are staged edges, or one of the groups is in another, or they are very many: around.lua
-- knows of those.
local call = redis.call
local record = call('GET', KEYS[1])
if not record then return {false, {}, {}, 0} end
local groups = call('ZRANGE', KEYS[4], 0, -1)
local n, list = #groups, string.sub(KEYS[2], 1, -7) .. 'g:'
if n == 1 then
  if call('EXISTS', KEYS[2], list .. groups[1]) > 0 then return {record} end
  return {record, groups, {call('HGET', KEYS[3], groups[1])}, 1}
end
if n > 500 then return {record} end
local keys = {KEYS[2]}
for i = 1, n do keys[i + 1] = list .. groups[i] end
if call('EXISTS', unpack(keys)) > 0 then return {record} end
return {record, groups, n == 0 and groups or call('HMGET', KEYS[3], unpack(groups)), n}
