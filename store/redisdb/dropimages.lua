-- One step of removing every image of a resource (image.go): Redis keeps what is deleted from a stream
-- in the stream's memory and in its dumps, so all others are copied into a new one, which takes its place.
--
-- KEYS  1 images  2 the new stream  3 fence
-- ARGV  1 resource  2 id to go on from, '-' for the beginning  3 how many a step  4 fence number
local call = redis.call
if (call('GET', KEYS[3]) or '0') ~= ARGV[4] then return {'fenced'} end
if ARGV[2] == '-' then call('UNLINK', KEYS[2]) end
local rows = call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3])
local gone, last = {}, ''
for _, row in ipairs(rows) do
  local fields = row[2]
  last = row[1]
  local mine = false
  for i = 1, #fields, 2 do
    if fields[i] == 'r' and fields[i + 1] == ARGV[1] then mine = true end
  end
  if mine then
    gone[#gone + 1] = row[1]
  else
    call('XADD', KEYS[2], row[1], unpack(fields))
  end
end
if #rows == tonumber(ARGV[3]) then return {'more', last, gone} end
if call('EXISTS', KEYS[2]) == 1 then call('RENAME', KEYS[2], KEYS[1]) else call('UNLINK', KEYS[1]) end
return {'done', last, gone}
