package sync

import (
	"errors"
	"fmt"
	"time"
)

// Policy is what an administrator decides about a source.
type Policy struct {
	// MissingRuns is in how many whole runs in a row a person has to be missing from the
	// source before something is done about it.
	MissingRuns int
	// OnMissing is what is done then.
	OnMissing OnMissing
	// DeleteAfter is how long after that a person, or a group, is deleted who is missing still;
	// 0 for never. It has no meaning with Keep.
	DeleteAfter time.Duration
	// Protect names accounts that no run disables or deletes: by DN, externalId or userName.
	Protect []string
	// Roles are those that the members of a group of the source have, by its displayName or DN.
	Roles map[string]string
	Guard Guard
}

// OnMissing is what becomes of a person whom the source no longer has. Memberships stay
// either way until the person is deleted, and so does a missing group: its members lose
// nothing by a search that no longer finds it.
type OnMissing string

const (
	Deactivate OnMissing = "deactivate" // active becomes false
	Keep       OnMissing = "keep"       // nothing
)

// Guard is the limits within which a run may act by itself. A run that passes one
// applies nothing at all.
type Guard struct {
	// Missing bounds how many people, and how many groups, may be missing that were
	// there before, of those that the source owns.
	Missing Limit
	// Disabled bounds how many people the source may disable by its own signal.
	Disabled Limit
	// Branch bounds how many people of one branch may be missing, of those that the last whole run found
	// there.
	Branch Limit
	// Deleted bounds how many people, and how many groups, may be deleted.
	Deleted Limit
	// MemberLoss bounds how many of its members a group may lose, if it has
	// MemberLossFrom or more.
	MemberLoss     Limit
	MemberLossFrom int
	// Removals bounds the members that all groups of a run lose together, of those that
	// the groups that it changes had.
	Removals Limit
	// MinUsers and MinGroups are how many the source has at the least. A source without any
	// entry, or without any of a type that it had before, is always refused.
	MinUsers  int
	MinGroups int
	// Canaries name entries that the source must have, by DN, externalId, userName or
	// displayName: where one is not seen, neither are others.
	Canaries []string
	// MaxChanges bounds the changes of resources that exist; nil for no bound.
	MaxChanges *Limit
	// Users and Groups bound what is done to one type.
	Users, Groups TypeGuard
}

// TypeGuard is the limits of one type of resource; nil for none of its own.
type TypeGuard struct {
	// Create bounds creations where the source owns something of the type already: a first
	// run may bring in everybody.
	Create  *Limit
	Change  *Limit // updates, changes of members, and people enabled again
	Disable *Limit // by the source's signal or as missing
	Delete  *Limit // instead of Guard.Deleted
	Missing *Limit // instead of Guard.Missing
}

// Limit allows a number or a share, whichever is more.
type Limit struct {
	Count   int
	Percent float64
}

// Bound is the largest number that the limit allows of a total.
func (l Limit) Bound(total int) int {
	return max(l.Count, int(l.Percent*float64(total)/100))
}

// DefaultPolicy is the policy of a source that sets none (design.md §4.7).
func DefaultPolicy() Policy {
	return Policy{
		MissingRuns: 1,
		OnMissing:   Deactivate,
		Guard: Guard{
			Missing:        Limit{Count: 10, Percent: 5},
			Disabled:       Limit{Count: 10, Percent: 5},
			Branch:         Limit{Count: 4, Percent: 50},
			Deleted:        Limit{Count: 10, Percent: 5},
			MemberLoss:     Limit{Percent: 20},
			MemberLossFrom: 50,
			Removals:       Limit{Count: 1000, Percent: 20},
		},
	}
}

// Validate reports everything that is wrong with the policy.
func (p Policy) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.MissingRuns < 1 || p.MissingRuns > 1000 {
		wrong("on_missing.after: %d runs is not between 1 and 1000", p.MissingRuns)
	}
	if p.OnMissing != Deactivate && p.OnMissing != Keep {
		wrong("on_missing.do: %q is neither %q nor %q", p.OnMissing, Deactivate, Keep)
	}
	switch {
	case p.DeleteAfter < 0:
		wrong("on_missing.delete_after: %v is below zero", p.DeleteAfter)
	case p.DeleteAfter > 0 && p.OnMissing == Keep:
		wrong("on_missing.delete_after: nobody is deleted where on_missing.do is %s", Keep)
	}
	for _, name := range p.Protect {
		if name == "" {
			wrong("protect: a name is empty")
		}
	}
	for group, role := range p.Roles {
		if group == "" || role == "" {
			wrong("roles: a group or a role is empty")
		}
	}
	p.Guard.validate(wrong)
	return errors.Join(errs...)
}

func (g *Guard) validate(wrong func(string, ...any)) {
	limit := func(name string, l *Limit) {
		switch {
		case l == nil:
		case l.Count < 0:
			wrong("%s: a number of %d is below zero", name, l.Count)
		case !(l.Percent >= 0 && l.Percent <= 100): // so that NaN is refused too
			wrong("%s: %v is no percentage between 0 and 100", name, l.Percent)
		}
	}
	limit("guard.missing", &g.Missing)
	limit("guard.disabled", &g.Disabled)
	limit("guard.branch", &g.Branch)
	limit("guard.deleted", &g.Deleted)
	limit("guard.member_loss", &g.MemberLoss)
	limit("guard.removals", &g.Removals)
	limit("guard.max_changes", g.MaxChanges)
	for name, t := range map[string]TypeGuard{"users": g.Users, "groups": g.Groups} {
		limit("guard."+name+".max_create", t.Create)
		limit("guard."+name+".max_change", t.Change)
		limit("guard."+name+".max_disable", t.Disable)
		limit("guard."+name+".max_delete", t.Delete)
		limit("guard."+name+".max_missing", t.Missing)
	}
	for name, n := range map[string]int{"member_loss_from": g.MemberLossFrom, "min_entries": g.MinUsers, "min_groups": g.MinGroups} {
		if n < 0 {
			wrong("guard.%s: %d is below zero", name, n)
		}
	}
	for _, name := range g.Canaries {
		if name == "" {
			wrong("guard.canaries: a name is empty")
		}
	}
}
