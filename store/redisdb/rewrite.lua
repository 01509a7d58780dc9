-- Other payloads for records that have not changed (store.Backend.Rewrite).
--
-- KEYS  records
-- ARGV  for each its version in 16 digits, its nonce and the payload
for i, key in ipairs(KEYS) do
  local head = redis.call('GETRANGE', key, 0, 53)
  local version, nonce, payload = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  if #head == 54 and string.sub(head, 1, 16) == version and string.sub(head, 30, 41) == nonce then
    redis.call('SET', key, head .. payload)
  end
end
return #KEYS
