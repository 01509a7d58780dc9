-- Records by a claim, at one moment (store.Reader.Find).
--
-- KEYS  1 the first space  2 spaces  3 names  4 staged
-- ARGV  1 "{workspace}:"  2 type  3 prefix of other spaces, or ''  4 key  5 want groups
-- Returns id, record, groups, their names and how many are direct for each holder.
local found = {}
local function add(v)
  local id = string.match(v, '^[^ ]*')
  local ref = ARGV[2] .. '/' .. id
  local groups, names, direct = {}, {}, 0
  if ARGV[5] == '1' then groups, names, direct = grouped(ARGV[1], KEYS[4], KEYS[3], ref) end
  found[#found + 1] = {id, call('GET', ARGV[1] .. 'r:' .. ref), groups, names, direct}
end
local v = call('HGET', KEYS[1], ARGV[4])
if v then
  add(v)
elseif ARGV[3] ~= '' then
  for _, space in ipairs(call('SMEMBERS', KEYS[2])) do
    if string.sub(space, 1, #ARGV[3]) == ARGV[3] then
      local w = call('HGET', ARGV[1] .. 'c:' .. space, ARGV[4])
      if w then add(w) end
    end
  end
end
return found
