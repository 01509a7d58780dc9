package sync

import (
	"slices"
	"testing"
)

// Creations beyond those that a report shows are packed, and are changes like the others.
func TestPackedCreations(t *testing.T) {
	entries := people(3 * MaxChanges)
	entries[2500].Attributes["userName"] = "P02400" // as another of this run
	entries[2501].Attributes["title"] = "Countess"
	b := newBench(t, append(entries, group("all", ids(entries)...))...)
	b.foreign("p01700")
	for _, make := range []func() *Report{
		func() *Report { r, _ := b.Plan(t.Context()); return r },
		func() *Report { return b.run(Partial) },
	} {
		r := make()
		equal(t, "planned", r.Planned.Created, map[Trigger]int{DryRun: 2999, Manual: 3000}[r.Trigger]) // a run learns of the foreign one from the store
		equal(t, "errors", r.ErrorCount, 2)
		var left []string
		for _, p := range r.Errors {
			left = append(left, p.Kind+" "+p.ID)
		}
		slices.Sort(left)
		equal(t, "left out", left, []string{"conflict p01700", "conflict p02500"})
	}
	equal(t, "members", len(b.members("all")), 2998)
	equal(t, "title", b.find("User", "p02501").Attributes["title"], "Countess")
	again := b.run(Partial)
	equal(t, "created", again.Counts.Created, 0)
}
