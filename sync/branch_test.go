package sync

import (
	"fmt"
	"testing"
)

func TestJudgeBranches(t *testing.T) {
	limit := DefaultPolicy().Guard.Branch
	for _, c := range []struct {
		name        string
		before, now branchCounts
		missing     int
		blocked     bool
	}{
		{"as before", branchCounts{"a": 100, "b": 6}, branchCounts{"a": 100, "b": 6}, 0, false},
		{"a first run", nil, branchCounts{"a": 100}, 0, false},
		{"a small branch is gone", branchCounts{"a": 100, "b": 5}, branchCounts{"a": 100}, 5, true},
		{"a few people left", branchCounts{"a": 100, "b": 5}, branchCounts{"a": 100, "b": 1}, 4, false},
		{"everybody moved", branchCounts{"a": 100, "b": 50}, branchCounts{"a": 150}, 0, false},
		{"nearly everybody moved", branchCounts{"a": 100, "b": 50}, branchCounts{"a": 146}, 4, false},
		{"more than half of a branch", branchCounts{"a": 100}, branchCounts{"a": 49}, 51, true},
		{"half of a branch", branchCounts{"a": 100}, branchCounts{"a": 50}, 50, false},
		{"they were missing before", branchCounts{"a": 100, "b": 50}, branchCounts{"a": 100}, 0, false},
	} {
		v := &Verdict{}
		if v.judgeBranches(c.before, c.now, c.missing, limit); v.Blocked != c.blocked {
			t.Errorf("%s: blocked = %v, want %v: %v", c.name, v.Blocked, c.blocked, v.Limits)
		}
	}
}

func TestManyBranches(t *testing.T) {
	b := branchCounts{}
	for i := range maxBranches + 10 {
		b.add(&Entry{Type: "User", Branch: fmt.Sprint(i)})
	}
	v := &Verdict{}
	if v.judgeBranches(branchCounts{"x": 100}, b, 100, Limit{}); len(b) != maxBranches || v.Blocked {
		t.Errorf("%d branches are counted, blocked %v, want %d and no verdict", len(b), v.Blocked, maxBranches)
	}
}

// A blocked run leaves the counts as they were; an approved one does not block the next.
func TestBranchBaseline(t *testing.T) {
	var people []Entry
	for i := range 300 {
		branch := "ou=a"
		if i < 6 {
			branch = "ou=b"
		}
		people = append(people, Entry{ID: fmt.Sprint("u", i), Type: "User", Branch: branch, Attributes: map[string]any{"userName": fmt.Sprint("u", i)}})
	}
	b := newBench(t, people...)
	b.run(OK)
	b.source.entries = people[6:]
	r := b.run(Blocked)
	b.run(Blocked)
	if _, err := b.Approve(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	b.run(OK)
	b.source.entries = people
	b.run(OK)
}
