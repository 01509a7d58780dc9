package sync

import "fmt"

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
	atMost := func(name string, value, bound, of int) {
		v.add(Check{Name: name, Value: value, Bound: bound, Of: of, Passed: value <= bound})
	}
	atLeast := func(name string, value, bound int) {
		v.add(Check{Name: name, Value: value, Bound: bound, AtLeast: true, Passed: value >= bound})
	}

	users, groups := p.Types["User"], p.Types["Group"]
	atLeast("entries", users.Seen+groups.Seen, 1)
	atLeast("users", users.Seen, max(g.MinUsers, min(users.Present, 1)))
	atLeast("groups", groups.Seen, min(groups.Present, 1))
	atMost("missing users", users.Missing, g.Missing.Bound(users.Present), users.Present)
	atMost("missing groups", groups.Missing, g.Missing.Bound(groups.Present), groups.Present)
	atMost("users disabled by the source", p.DisabledBySource, g.Disabled.Bound(users.Present), users.Present)
	if g.MaxChanges != nil {
		owned := users.Present + groups.Present
		atMost("changes", p.changesOfExisting(), g.MaxChanges.Bound(owned), owned)
	}
	for i := range p.Changes {
		c := p.Changes[i]
		if c.MembersRemoved == 0 || c.MembersBefore < g.MemberLossFrom {
			continue
		}
		bound := Limit{Percent: g.MemberLoss}.Bound(c.MembersBefore)
		if c.MembersRemoved > bound { // a line for each group that is fine would drown the others
			atMost("members removed from "+c.Name, c.MembersRemoved, bound, c.MembersBefore)
		}
	}
	if v.Blocked {
		v.Next = "Nothing was applied. See whether the source, its filter and the rights of its account are as they should be. " +
			"If the change is meant, raise the limit in the source's guard settings and run again."
	}
	return v
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
