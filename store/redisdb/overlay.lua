-- In front of every script that reads edges: those of changes that are done and not yet merged
-- (stage.go).
local call = redis.call

-- flips lists the resources of such changes, nil for none.
local function flips(staged)
  if call('HLEN', staged) == 0 then return nil end
  local all, list = call('HGETALL', staged), nil
  for i = 1, #all, 2 do
    if string.sub(all[i + 1], 1, 1) == 'f' then
      list = list or {}
      list[#list + 1] = all[i]
    end
  end
  return list
end

-- changed tells whether they add (true) or remove (false) an edge, on the side d; nil for neither.
local function changed(P, list, d, from, to)
  for _, s in ipairs(list) do
    local side, other = nil, nil
    if s == from then side, other = d, to elseif s == to then side, other = d == 'm' and 'g' or 'm', from end
    if side then
      if call('ZSCORE', P .. 'x:' .. side .. '+:' .. s, other) then return true end
      if call('ZSCORE', P .. 'x:' .. side .. '-:' .. s, other) then return false end
    end
  end
  return nil
end

-- below compares bytes: Lua's own < goes by the locale.
local function below(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- ends lists up to limit ends (-1: all) of a resource's edges behind after ('': from the first).
local function ends(P, list, d, from, after, limit)
  local key, min = P .. d .. ':' .. from, after == '' and '-' or '(' .. after
  if not list then return call('ZRANGEBYLEX', key, min, '+', 'LIMIT', 0, limit) end
  local found, back = {}, d == 'm' and 'g' or 'm'
  for _, s in ipairs(list) do
    if s == from then
      for _, e in ipairs(call('ZRANGEBYLEX', P .. 'x:' .. d .. '+:' .. s, min, '+', 'LIMIT', 0, limit)) do found[#found + 1] = e end
    elseif (after == '' or below(after, s)) and call('ZSCORE', P .. 'x:' .. back .. '+:' .. s, from) then
      found[#found + 1] = s
    end
  end
  local kept = 0
  repeat
    local page = call('ZRANGEBYLEX', key, min, '+', 'LIMIT', 0, limit)
    for _, e in ipairs(page) do
      if changed(P, list, d, from, e) ~= false then
        found[#found + 1] = e
        kept = kept + 1
      end
    end
    if #page > 0 then min = '(' .. page[#page] end
  until limit < 0 or #page < limit or kept >= limit
  table.sort(found, below)
  if limit < 0 then return found end
  local cut = {}
  for i = 1, math.min(limit, #found) do cut[i] = found[i] end
  return cut
end
