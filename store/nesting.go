package store

import "rollcall/scim"

// Above lists the groups around those that have self as a direct member: the nearest first, each
// once, without self and the direct ones, within the limits of scim.MaxNesting and scim.MaxIndirect.
// parents lists, in order, the groups that have a group as a direct member. above in
// redisdb/overlay.lua is the same.
func Above(self scim.Ref, direct []scim.Ref, parents func(group scim.Ref) []scim.Ref) (around []scim.Ref) {
	if len(direct) == 0 {
		return nil
	}
	seen := make(map[scim.Ref]bool, len(direct)+1)
	seen[self] = true
	for _, g := range direct {
		seen[g] = true
	}
	level := direct
	for range scim.MaxNesting {
		begin := len(around)
		for _, g := range level {
			for _, p := range parents(g) {
				if seen[p] {
					continue
				}
				if len(around) == scim.MaxIndirect {
					return around
				}
				seen[p] = true
				around = append(around, p)
			}
		}
		if level = around[begin:]; len(level) == 0 {
			break
		}
	}
	return around
}
