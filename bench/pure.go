package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"rollcall/scim"
)

// pureTime is for how long each of the pure operations is repeated, pureRounds how often that
// is done: the fastest round counts, since others on the machine only ever slow one down.
const (
	pureTime   = 50 * time.Millisecond
	pureRounds = 5
)

// fiveClauses is a filter of five terms.
const fiveClauses = `userName sw "a" and (active eq true or title co "engineer") and emails[type eq "work" and value ew "@example.com"]`

// pure measures what is done without a store: parsing, checking, changing.
func (b *bench) pure() ([]Check, error) {
	typ := scim.DefaultModel().Type("User")
	text := appendUser(nil, 1)
	body, err := scim.ParseObject(text, scim.BodyLimits)
	if err != nil {
		return nil, err
	}
	draft, err := typ.Decode(body)
	if err != nil {
		return nil, err
	}
	change, err := scim.ParseObject(appendRetitle(nil, 1), scim.BodyLimits)
	if err != nil {
		return nil, err
	}
	operations, err := scim.ParsePatch(change)
	if err != nil {
		return nil, err
	}
	var checks []Check
	for _, p := range []struct {
		name   string
		goal   float64 // microseconds
		allocs float64
		do     func() error
	}{
		{`parse the filter userName eq "x"`, 1, 3, func() error { _, err := scim.ParseFilter(`userName eq "x"`); return err }},
		{"parse a filter of five clauses", 5, 0, func() error { _, err := scim.ParseFilter(fiveClauses); return err }},
		{"parse a user of 1.2 KB", 0, 0, func() error { _, err := scim.ParseObject(text, scim.BodyLimits); return err }},
		{"validate a user of 1.2 KB", 12, 0, func() error { _, err := typ.Decode(body); return err }},
		{"PATCH of one attribute, without the store", 15, 0, func() error { _, err := typ.Patch(draft.Resource, operations, nil); return err }},
	} {
		took, allocs, err := repeat(p.do)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		checks = append(checks, Check{Name: p.name, Value: took, Unit: "µs", Goal: p.goal, Note: fmt.Sprintf("%.0f allocations", allocs)})
		if p.allocs > 0 {
			checks = append(checks, Check{Name: p.name + ": allocations", Value: allocs, Goal: p.allocs})
		}
	}
	return checks, nil
}

// repeat measures microseconds and allocations of one call.
func repeat(do func() error) (micro, allocs float64, err error) {
	var rounds []float64
	var before, after runtime.MemStats
	for range pureRounds {
		runtime.ReadMemStats(&before)
		n := 0
		began := time.Now()
		for ; n%64 != 0 || time.Since(began) < pureTime; n++ {
			if err := do(); err != nil {
				return 0, 0, err
			}
		}
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		rounds = append(rounds, micros(took)/float64(n))
		allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
	}
	return slices.Min(rounds), allocs, nil
}
