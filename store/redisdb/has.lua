-- Which edges stand (store.Reader.HasEdges).
--
-- KEYS  1 staged
-- ARGV  1 "{workspace}:"  2 side, then from and to of each
local P, d, list, has = ARGV[1], ARGV[2], flips(KEYS[1]), {}
for i = 3, #ARGV, 2 do
  local is = call('ZSCORE', P .. d .. ':' .. ARGV[i], ARGV[i + 1]) and true or false
  local now = list and changed(P, list, d, ARGV[i], ARGV[i + 1])
  if now ~= nil then is = now end
  has[#has + 1] = is and 1 or 0
end
return has
