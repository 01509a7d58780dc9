package sync

import (
	"cmp"
	"fmt"
)

// Verdict is the guard's judgement of a plan.
type Verdict struct {
	Blocked bool    `json:"blocked"`
	Limits  []Check `json:"limits"`
	// Next is what to do about a block, for people.
	Next string `json:"next,omitempty"`
}

// Check is one limit, and what the plan has against it.
type Check struct {
	Name  string `json:"name"`  // "missing users", "members of Sales"
	Value int    `json:"value"` // what the plan has
	Bound int    `json:"bound"` // what is allowed: at most, or at least where AtLeast
	Of    int    `json:"of,omitempty"`
	// AtLeast turns the bound around: the value must reach it.
	AtLeast bool `json:"atLeast,omitempty"`
	Passed  bool `json:"passed"`
}

// String says what the check found.
func (c Check) String() string {
	word := "at most"
	if c.AtLeast {
		word = "at least"
	}
	s := fmt.Sprintf("%s: %d", c.Name, c.Value)
	if c.Of > 0 {
		s += fmt.Sprintf(" of %d", c.Of)
	}
	return fmt.Sprintf("%s, %s %d allowed", s, word, c.Bound)
}

// judge holds a plan against the limits. It is pure.
func judge(p *Plan, g Guard) *Verdict {
	v := &Verdict{}
	users, groups := p.Types["User"], p.Types["Group"]
	v.atLeast("entries", users.Seen+groups.Seen, 1)
	v.atLeast("users", users.Seen, max(g.MinUsers, min(users.Present, 1)))
	v.atLeast("groups", groups.Seen, max(g.MinGroups, min(groups.Present, 1)))
	for _, name := range g.Canaries {
		seen := 0
		if p.Canaries[canaryKey(name)] {
			seen = 1
		}
		v.atLeast("canary "+name, seen, 1)
	}
	v.atMost("users disabled by the source", p.DisabledBySource, users.Present, &g.Disabled)
	v.atMost("changes", p.changesOfExisting(), users.Present+groups.Present, g.MaxChanges)
	v.judgeType("users", users, p.tally("User"), g.Users, g)
	v.judgeType("groups", groups, p.tally("Group"), g.Groups, g)
	v.judgeBranches(p.BranchesBefore, p.Branches, users.Missing, g.Branch)
	v.judgeMembers(p, g)
	return v
}

// judgeType holds what is done to one type against its limits.
func (v *Verdict) judgeType(name string, n *TypeCount, t Tally, own TypeGuard, g Guard) {
	owned := n.Present + n.Gone
	v.atMost("missing "+name, n.Missing, n.Present, cmp.Or(own.Missing, &g.Missing))
	v.atMost("deleted "+name, t.Deleted, owned, cmp.Or(own.Delete, &g.Deleted))
	if owned > 0 {
		v.atMost("created "+name, t.Created, owned, own.Create)
	}
	v.atMost("changed "+name, t.Updated+t.Enabled, n.Present, own.Change)
	v.atMost("disabled "+name, t.Disabled, n.Present, own.Disable)
}

// judgeMembers holds what groups lose against the limits: each large one, and all together.
func (v *Verdict) judgeMembers(p *Plan, g Guard) {
	before := 0
	for _, c := range p.Changes {
		if c.MembersRemoved == 0 || c.Action == Delete {
			continue
		}
		before += c.MembersBefore
		// A line for each group that is fine would drown the others.
		if c.MembersBefore >= g.MemberLossFrom && c.MembersRemoved > g.MemberLoss.Bound(c.MembersBefore) {
			v.atMost("members removed from "+c.Name, c.MembersRemoved, c.MembersBefore, &g.MemberLoss)
		}
	}
	v.atMost("members removed", p.Planned.MembersRemoved, before, &g.Removals)
}

// atMost checks a value against a limit of a total; nil for no limit.
func (v *Verdict) atMost(name string, value, of int, limit *Limit) {
	if limit == nil {
		return
	}
	bound := limit.Bound(of)
	v.add(Check{Name: name, Value: value, Bound: bound, Of: of, Passed: value <= bound})
}

func (v *Verdict) atLeast(name string, value, bound int) {
	v.add(Check{Name: name, Value: value, Bound: bound, AtLeast: true, Passed: value >= bound})
}

// maxFailedChecks bounds the groups that a verdict names.
const maxFailedChecks = 100

func (v *Verdict) add(c Check) {
	if !c.Passed {
		v.Blocked = true
	}
	if len(v.Limits) < maxFailedChecks {
		v.Limits = append(v.Limits, c)
	}
}
