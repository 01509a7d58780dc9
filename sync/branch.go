package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rollcall/scim"
)

// A search that is not allowed to see a branch of a directory succeeds without it. Where that branch is
// small, a limit for all people together does not notice. So each whole run counts the people of each
// branch, and the next one is held against that.

// maxBranches bounds what is kept. A directory with more of them has no branches worth counting.
const maxBranches = 5000

// branchCounts is people by branch: Entry.Branch.
type branchCounts map[string]int

func (m *memory) branches() scim.KV { return m.state.KV("sync/branches/" + m.source) }

func (m *memory) loadBranches(ctx context.Context) (branchCounts, error) {
	var b branchCounts
	text, err := m.branches().Get(ctx, "people")
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		return nil, fmt.Errorf("people by branch: %w", err)
	}
	return b, nil
}

func (m *memory) putBranches(ctx context.Context, before, now branchCounts) error {
	if maps.Equal(before, now) {
		return nil
	}
	text, err := json.Marshal(now)
	if err == nil {
		err = m.branches().Put(ctx, "people", text, nil)
	}
	if err != nil {
		return fmt.Errorf("people by branch: %w", err)
	}
	return nil
}

// add counts a person. Beyond maxBranches nothing is counted at all.
func (b branchCounts) add(e *Entry) {
	if e.Branch == "" || e.Type != "User" {
		return
	}
	if _, known := b[e.Branch]; known || len(b) < maxBranches {
		b[e.Branch]++
	}
}

// judgeBranches holds the people of each branch against those of the run before. Whoever moved to another
// branch, or was missing before, is not lost: no more can be than are missing.
func (v *Verdict) judgeBranches(before, now branchCounts, missing int, limit Limit) {
	if len(now) == maxBranches {
		return
	}
	for _, branch := range slices.Sorted(maps.Keys(before)) {
		was := before[branch]
		if lost := min(was-now[branch], missing); lost > limit.Bound(was) { // a line for each that is fine would drown the others
			v.atMost("missing users of "+branch, lost, was, &limit)
		}
	}
}
