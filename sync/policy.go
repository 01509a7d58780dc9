package sync

import (
	"errors"
	"fmt"
)

// Policy is what an administrator decides about a source.
type Policy struct {
	// MissingRuns is in how many whole runs in a row a person has to be missing from the
	// source before something is done about it.
	MissingRuns int
	// OnMissing is what is done then.
	OnMissing OnMissing
	Guard     Guard
}

// OnMissing is what becomes of a person whom the source no longer has. Memberships stay
// either way, and a missing group is left as it is: its members lose nothing by a search
// that no longer finds it.
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
	// MemberLoss is the share in percent of its members that a group may lose, if it has
	// MemberLossFrom or more.
	MemberLoss     float64
	MemberLossFrom int
	// MinUsers is how many people the source has at the least. A source without any
	// entry, or without any of a type that it had before, is always refused.
	MinUsers int
	// MaxChanges bounds the changes of resources that exist; nil for no bound.
	MaxChanges *Limit
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
			MemberLoss:     20,
			MemberLossFrom: 50,
		},
	}
}

// Validate reports everything that is wrong with the policy.
func (p Policy) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	limit := func(name string, l Limit) {
		if l.Count < 0 {
			wrong("%s: a number of %d is below zero", name, l.Count)
		}
		percent(name, l.Percent, wrong)
	}
	if p.MissingRuns < 1 || p.MissingRuns > 1000 {
		wrong("on_missing.after: %d runs is not between 1 and 1000", p.MissingRuns)
	}
	if p.OnMissing != Deactivate && p.OnMissing != Keep {
		wrong("on_missing.do: %q is neither %q nor %q", p.OnMissing, Deactivate, Keep)
	}
	limit("guard.missing", p.Guard.Missing)
	limit("guard.disabled", p.Guard.Disabled)
	if p.Guard.MaxChanges != nil {
		limit("guard.max_changes", *p.Guard.MaxChanges)
	}
	percent("guard.member_loss", p.Guard.MemberLoss, wrong)
	if p.Guard.MemberLossFrom < 0 {
		wrong("guard.member_loss_from: %d is below zero", p.Guard.MemberLossFrom)
	}
	if p.Guard.MinUsers < 0 {
		wrong("guard.min_entries: %d is below zero", p.Guard.MinUsers)
	}
	return errors.Join(errs...)
}

func percent(name string, v float64, wrong func(string, ...any)) {
	if !(v >= 0 && v <= 100) { // so that NaN is refused too
		wrong("%s: %v is no percentage between 0 and 100", name, v)
	}
}
