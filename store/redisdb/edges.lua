-- One side of a resource's edges (store.Reader.Edges).
--
-- KEYS  1 staged
-- ARGV  1 "{workspace}:"  2 side  3 resource  4 after  5 limit
return ends(ARGV[1], flips(KEYS[1]), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]))
