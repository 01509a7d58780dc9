-- Behind overlay.lua, in front of every script that reads the groups of a member: those around them
-- too. store.Above is the same.
local MAX_NESTING, MAX_INDIRECT = 32, 1000 -- scim.MaxNesting and scim.MaxIndirect

-- standing tells whether any of these is there: what is staged, or the list of the groups that one
-- of the groups is in.
local function standing(P, staged, groups)
  if #groups == 1 then return call('EXISTS', staged, P .. 'g:' .. groups[1]) > 0 end
  for i = 1, math.max(#groups, 1), 500 do
    local keys = {staged}
    for j = i, math.min(i + 499, #groups) do keys[#keys + 1] = P .. 'g:' .. groups[j] end
    if call('EXISTS', unpack(keys)) > 0 then return true end
  end
  return false
end

-- above adds the groups around some groups behind them, nearest first. What seen has is left out, and
-- so are those beyond the first limit. met is called with each that is in another, and that one.
local function above(P, staged, list, groups, seen, limit, met)
  local from, all, full = 1, #groups, #groups + limit
  for _, g in ipairs(groups) do seen[g] = true end
  for _ = 1, MAX_NESTING do
    local level = from == 1 and groups or {unpack(groups, from)}
    if #level == 0 or not standing(P, staged, level) then break end
    from = all + 1
    for i = 1, #level do
      for _, p in ipairs(ends(P, list, 'g', level[i], '', -1)) do
        if met then met(level[i], p) end
        if not seen[p] then
          if all == full then return true end
          seen[p], all = true, all + 1
          groups[all] = p
        end
      end
    end
  end
  return false
end

-- named reads the names of groups.
local function named(names, groups)
  if #groups == 0 then return groups end
  if #groups <= 500 then return call('HMGET', names, unpack(groups)) end
  local all = {}
  for i = 1, #groups, 500 do
    for _, n in ipairs(call('HMGET', names, unpack(groups, i, math.min(i + 499, #groups)))) do all[#all + 1] = n end
  end
  return all
end

-- grouped is the groups of a member, the direct ones first, the name of each, and how many are direct.
local function grouped(P, staged, names, self)
  local groups = call('ZRANGE', P .. 'g:' .. self, 0, -1)
  local direct = #groups
  if standing(P, staged, groups) then
    local list = flips(staged)
    if list then groups = ends(P, list, 'g', self, '', -1) end
    direct = #groups
    above(P, staged, list, groups, {[self] = true}, MAX_INDIRECT)
  end
  return groups, named(names, groups), direct
end
