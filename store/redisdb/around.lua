-- What member.lua returns, with staged edges and indirect groups.
--
-- KEYS  1 record  2 staged  3 names
-- ARGV  1 "{workspace}:"  2 resource
local record = call('GET', KEYS[1])
if not record then return {false, {}, {}, 0} end
return {record, grouped(ARGV[1], KEYS[2], KEYS[3], ARGV[2])}
