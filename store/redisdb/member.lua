-- One record and the groups that it is a member of, with their names (store.Reader.Read).
--
-- KEYS  1 record  2 groups  3 names
-- Returns the record, its groups, and the name of each.
local call = redis.call
local record = call('GET', KEYS[1])
if not record then return {false, {}, {}} end
local groups, names = call('ZRANGE', KEYS[2], 0, -1), {}
for i, g in ipairs(groups) do names[i] = call('HGET', KEYS[3], g) end
return {record, groups, names}
