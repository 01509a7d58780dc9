-- A part of the feed with the records that it is about, at one moment (store.Reader.Follow).
--
-- KEYS  1 seq  2 feed
-- ARGV  1 "{workspace}:"  2 the number to begin with  3 how many entries
-- Returns the number, the entries, and the names and values of the records.
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
for _, e in ipairs(entries) do
  if e[1] ~= ARGV[2] .. '-0' then
    for i = 1, #e[2], 2 do
      if e[2][i] == 'r' then add(e[2][i + 1]) end
      if e[2][i] == 'g' then
        for ref in string.gmatch(e[2][i + 1], '%S+') do add(ref) end
      end
    end
  end
end
return {call('GET', KEYS[1]) or '0', entries, names, records}
