-- The names of many groups, and what is around them (store.Reader.Read).
--
-- KEYS  1 staged  2 names
-- ARGV  1 "{workspace}:"  2 the most groups around them, then groups
-- Returns the groups, then those around them; the name of each; each group that is in another, and that
-- one, in turn; and 1 where there are more.
local groups, within = {unpack(ARGV, 3)}, {}
local more = above(ARGV[1], KEYS[1], flips(KEYS[1]), groups, {}, tonumber(ARGV[2]), function(g, p)
  within[#within + 1] = g
  within[#within + 1] = p
end)
return {groups, named(KEYS[2], groups), within, more and 1 or 0}
