-- One record and the groups that it is a member of, with their names (store.Reader.Read).
--
-- KEYS  1 record  2 staged  3 names  4 groups
-- Returns the record, its groups, and the name of each; the record alone where there are staged
-- edges, which staged.lua knows of.
local call = redis.call
local record = call('GET', KEYS[1])
if not record then return {false, {}, {}} end
if call('HLEN', KEYS[2]) > 0 then return {record} end
local groups, names = call('ZRANGE', KEYS[4], 0, -1), {}
for i, g in ipairs(groups) do names[i] = call('HGET', KEYS[3], g) end
return {record, groups, names}
