package sync

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"rollcall/scim"
)

func TestLostRaceIsPlannedAgain(t *testing.T) {
	b := newBench(t, person("ada"))
	b.run(OK)
	b.source.entries[0].Attributes["title"] = "Countess"
	var raced atomic.Bool
	b.store.beforeCommit = func(c *scim.Commit) error {
		if c.Fence != nil && raced.CompareAndSwap(false, true) {
			b.edit(b.find("User", "ada"), func(a map[string]any) { a["nickName"] = "A" })
		}
		return nil
	}
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Updated: 1})
	equal(t, "attributes", b.find("User", "ada").Attributes, map[string]any{"userName": "ada", "title": "Countess", "nickName": "A"})
}

func TestRaceLostForGood(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	b.source.entries = []Entry{person("ada", "title", "x"), person("bob", "title", "x")}
	b.store.beforeCommit = func(c *scim.Commit) error {
		if c.Put != nil && c.Put.UserName() == "ada" {
			return scim.Errorf(scim.ErrVersionMismatch, "someone is faster")
		}
		return nil
	}
	r := b.run(Partial)
	equal(t, "counts", r.Counts.Tally, Tally{Updated: 1})
	equal(t, "failed", r.Counts.Failed, 1)
	if r.Changes[0].Error == "" {
		t.Errorf("change %+v, want its error", r.Changes[0])
	}
	b.store.beforeCommit = nil
	b.run(OK)
	b.idle()
}

func TestStoreAwayForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entries := people(300)
		b := newBench(t, append(entries, group("all", ids(entries)...))...)
		var calls atomic.Int32
		var lost atomic.Bool
		b.store.beforeCommit = func(c *scim.Commit) error {
			if n := calls.Add(1); n%100 != 7 || lost.Load() {
				return nil
			}
			if c.Expect == scim.MustNotExist { // done, but the answer was lost
				c := *c
				lost.Store(true)
				if _, err := b.store.Commit(t.Context(), &c); err != nil {
					return err
				}
			}
			return scim.Errorf(scim.ErrUnavailable, "no answer")
		}
		r := b.run(OK)
		equal(t, "counts", r.Counts.Tally.Created, 301)
		equal(t, "members", len(b.members("all")), 300)
		b.idle()
	})
}

func TestStoreAwayForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.store.beforeCommit = func(*scim.Commit) error { return scim.Errorf(scim.ErrUnavailable, "no answer") }
		equal(t, "failure", b.run(Failed).Failure, FailedStore)
		b.store.beforeCommit = nil
		b.run(OK)
		b.idle()
	})
}

func TestKilledAtAnyCommit(t *testing.T) {
	entries := append(people(40), group("g", ids(people(40))...), group("h", "p00001"))
	for n := range int32(12) {
		b := newBench(t, entries...)
		var calls atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		b.store.beforeCommit = func(*scim.Commit) error {
			if calls.Add(1) > n*4 {
				cancel()
				return context.Canceled
			}
			return nil
		}
		r, err := b.Run(ctx, Manual)
		if err != nil || r.Result == OK && calls.Load() > n*4 {
			t.Fatalf("Run() = %v, %v", r, err)
		}
		if r.Result == Failed {
			equal(t, "failure", r.Failure, FailedInterrupted)
		}
		b.store.beforeCommit = nil
		b.run(OK)
		equal(t, "members", len(b.members("g")), 40)
		b.idle()
		cancel()
	}
}

func TestDeletedWhileComparing(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), group("g", "ada"))
	b.run(OK)
	ada := b.find("User", "ada")
	b.source.entries[0] = person("ada", "title", "x")
	var once atomic.Bool
	b.store.beforeGet = func(ref scim.Ref) error {
		if ref == ada.Ref && once.CompareAndSwap(false, true) {
			b.remove(ada)
		}
		return nil
	}
	equal(t, "counts", b.run(OK).Counts.Tally, Tally{Created: 1})
	b.run(OK)
	equal(t, "members", b.members("g"), []string{"ada"})
	b.idle()
}

func TestCorruptResourceIsOneProblem(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	ada := b.find("User", "ada")
	b.source.entries = []Entry{person("ada", "title", "x"), person("bob", "title", "x")}
	body := b.store.resources[ada.Ref].Body
	b.store.resources[ada.Ref].Body = []byte("{")
	r := b.run(Partial)
	equal(t, "counts", r.Counts.Tally, Tally{Updated: 1})
	equal(t, "problem", r.Errors[0].Kind+" "+r.Errors[0].ID, "refused ada")
	b.store.resources[ada.Ref].Body = body
	b.run(OK)
	b.idle()
}

// The store may refuse a change for reasons of its own: the last administrator stays.
func TestRefusedChangeIsOneProblem(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	b.source.entries = []Entry{person("bob", "title", "x")}
	b.store.beforeCommit = func(c *scim.Commit) error {
		if c.Put != nil && !c.Put.Active() {
			return scim.Errorf(scim.ErrForbidden, "the last administrator stays")
		}
		return nil
	}
	r := b.run(Partial)
	equal(t, "counts", r.Counts.Tally, Tally{Updated: 1})
	equal(t, "reason", r.Errors[0].Reason, "the last administrator stays")
	equal(t, "again", b.run(Partial).Counts.Failed, 1)
}

func TestFencedCommitEndsTheRun(t *testing.T) {
	b := newBench(t, people(3)...)
	b.store.beforeCommit = func(*scim.Commit) error { return scim.Errorf(scim.ErrFenced, "another run") }
	r := b.run(Failed)
	equal(t, "failure", r.Failure, FailedLock)
	equal(t, "counts", r.Counts.Tally, Tally{})
}

// A run that has nothing to commit meets no fence: its count of who is missing must not come
// behind that of a run which took its lock over.
func TestLateRunCountsNobodyAsMissing(t *testing.T) {
	b := newBench(t, people(3)...)
	b.policy.MissingRuns = 2
	b.remake()
	b.run(OK)
	all := b.source.entries
	b.source.entries = all[:2]
	b.source.whenRead = func() {
		b.store.mu.Lock()
		defer b.store.mu.Unlock()
		b.store.locks["sync/corp"].number++ // another run began while this one was paused
	}
	equal(t, "failure", b.run(Failed).Failure, FailedLock)
	counted, err := b.memory.load(t.Context())
	if err != nil || len(counted.missing) != 0 {
		t.Errorf("load() = %+v, %v after a run that had lost its lock, want nobody", counted, err)
	}
}

// A group of several commits that is left half done is completed by the next run.
func TestKilledBetweenChunks(t *testing.T) {
	entries := people(2500)
	for n := range int32(3) {
		b := newBench(t, append(entries, group("all", ids(entries)...))...)
		var chunks atomic.Int32
		b.store.beforeCommit = func(c *scim.Commit) error {
			if c.Ref.Type == "Group" && chunks.Add(1) > n {
				return context.Canceled
			}
			return nil
		}
		b.run(Failed)
		b.store.beforeCommit = nil
		b.run(OK)
		equal(t, fmt.Sprintf("members after %d chunks", n), len(b.members("all")), 2500)
		b.idle()
	}
}
