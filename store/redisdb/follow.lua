-- A part of the feed with the records that it is about, at one moment (store.Reader.Follow).
--
-- KEYS  1 seq  2 feed
-- ARGV  1 "{workspace}:"  2 the number to begin with  3 how many entries
-- Returns the number, the entries, and the names and values of the records. Of the entry with the
-- number to begin with it returns the nonce alone: a thousand edges may be in it.
local call = redis.call
local entries = call('XRANGE', KEYS[2], ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])
local seen, names, records = {}, {}, {}
local function add(ref)
  if not seen[ref] then
    seen[ref] = true
    names[#names + 1] = ref
    records[#names] = call('GET', ARGV[1] .. 'r:' .. ref)
  end
end
-- The resource of a packed entry (feedrow.go).
local function packed(e)
  local n = string.byte(e, 1)
  local id, long = n + 3, string.byte(e, n + 2)
  if long > 0 then return string.sub(e, 2, n + 1) .. '/' .. string.sub(e, id, id + long - 1) end
  local f = '%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x'
  return string.sub(e, 2, n + 1) .. '/' .. string.format(f, string.byte(e, id, id + 15))
end
for _, e in ipairs(entries) do
  local fields = e[2]
  if e[1] == ARGV[2] .. '-0' then
    for i = 1, #fields, 2 do
      if fields[i] == 'n' or fields[i] == 'e' then e[2] = {fields[i], fields[i + 1]} end
    end
  else
    for i = 1, #fields, 2 do
      local name, value = fields[i], fields[i + 1]
      if name == 'r' then add(value) elseif name == 'e' then add(packed(value)) end
      if name == 'g' then
        for ref in string.gmatch(value, '%S+') do add(ref) end
      end
    end
  end
end
return {call('GET', KEYS[1]) or '0', entries, names, records}
