-- What member.lua returns, where there are staged edges.
--
-- KEYS  1 record  2 staged  3 names
-- ARGV  1 "{workspace}:"  2 resource
local record = call('GET', KEYS[1])
if not record then return {false, {}, {}} end
local groups, names = ends(ARGV[1], flips(KEYS[2]), 'g', ARGV[2], '', -1), {}
for i, g in ipairs(groups) do names[i] = call('HGET', KEYS[3], g) end
return {record, groups, names}
