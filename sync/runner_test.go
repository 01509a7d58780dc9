package sync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/scim"
)

func TestBlockedRunAppliesNothing(t *testing.T) {
	entries := people(100)
	b := newBench(t, append(entries, group("all", ids(entries)...))...)
	b.run(OK)
	for name, c := range map[string]struct {
		entries []Entry
		check   string
	}{
		"nothing at all":      {nil, "entries"},
		"no people":           {[]Entry{group("all")}, "users"},
		"no groups":           {entries, "groups"},
		"eleven missing":      {append(people(89), group("all", ids(entries)...)), "missing users"},
		"a group falls empty": {append(people(100), group("all")), "members removed from all"},
	} {
		b.source.entries = append([]Entry{person("zoe")}, c.entries...)
		if c.check == "entries" || c.check == "users" {
			b.source.entries = c.entries
		}
		commits := b.store.commits
		r := b.run(Blocked)
		i := slices.IndexFunc(r.Verdict.Limits, func(l Check) bool { return l.Name == c.check })
		if i < 0 || r.Verdict.Limits[i].Passed {
			t.Errorf("%s: verdict %+v, want %q to fail", name, r.Verdict, c.check)
		}
		if b.store.commits != commits || r.Counts.Tally != (Tally{}) {
			t.Errorf("%s: %d commits and %+v, want nothing done", name, b.store.commits-commits, r.Counts.Tally)
		}
		if r.Verdict.Next == "" || len(r.Changes) != r.ChangeCount {
			t.Errorf("%s: next %q, %d of %d changes, want all that was planned", name, r.Verdict.Next, len(r.Changes), r.ChangeCount)
		}
	}
	b.source.entries = append(people(100), group("all", ids(entries)...))
	b.idle()
}

func TestFailedReadAppliesNothing(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"))
	b.run(OK)
	b.source.entries = []Entry{person("new")}
	b.source.failed = errors.New("size limit exceeded")
	commits := b.store.commits
	r := b.run(Failed)
	equal(t, "failure", r.Failure, FailedSource)
	equal(t, "commits", b.store.commits, commits)
	if !strings.Contains(r.Error, "size limit exceeded") {
		t.Errorf("error = %q, want the source's", r.Error)
	}
	if plan, err := b.Plan(t.Context()); err != nil || plan.Result != Failed {
		t.Errorf("Plan() = %v, %v, want a failed one", plan.Result, err)
	}
}

func TestPlanWritesNothing(t *testing.T) {
	b := newBench(t, person("ada"), group("g", "ada"))
	r, err := b.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "result", r.Result, OK)
	equal(t, "planned", r.Planned, Tally{Created: 2, MembersAdded: 1})
	equal(t, "done", r.Counts.Tally, Tally{})
	equal(t, "differences", r.Changes[0].Attributes, []Difference{{Path: "userName", New: []byte(`"ada"`)}})
	equal(t, "commits", b.store.commits, 0)
	list, err := b.List(t.Context(), 10)
	if err != nil || len(list) != 0 {
		t.Errorf("List() = %v, %v, want none", list, err)
	}
}

func TestOneRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = 5 * time.Minute // longer than the lock's time: it has to be renewed
		done := make(chan *Report)
		go func() {
			r, _ := b.Run(t.Context(), Manual)
			done <- r
		}()
		time.Sleep(4 * time.Minute)
		_, err := b.Run(t.Context(), Manual)
		if !errors.Is(err, scim.ErrLocked) || !strings.Contains(err.Error(), "held by test") {
			t.Errorf("second Run() = %v, want ErrLocked with the holder", err)
		}
		running, err := b.List(t.Context(), 1)
		if err != nil || running[0].Result != Running {
			t.Errorf("List() = %v, %v, want one that is running", running, err)
		}
		if show, err := b.Show(t.Context(), running[0].ID); err != nil || show.Result != Running {
			t.Errorf("Show() = %v, %v, want it running", show, err)
		}
		equal(t, "result", (<-done).Result, OK)
		b.run(OK)
	})
}

func TestLostLockStopsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = time.Minute
		b.source.whenRead = func() { // as if this process had been asleep
			b.store.mu.Lock()
			b.store.locks["sync/corp"].number++
			b.store.mu.Unlock()
		}
		r := b.run(Failed)
		equal(t, "failure", r.Failure, FailedLock)
		equal(t, "commits", b.store.commits, 0)
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, person("ada"))
		b.source.delay = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := b.Run(ctx, Manual)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "failure", r.Failure, FailedInterrupted)
		kept, err := b.Show(t.Context(), r.ID)
		if err != nil || kept.Result != Failed {
			t.Errorf("Show() = %v, %v, want the failed run", kept, err)
		}
		b.source.delay = 0
		b.run(OK) // the lock was given back
	})
}

func TestHistory(t *testing.T) {
	b := newBench(t, person("ada"))
	died := b.newRun(Manual).report
	if _, err := b.history.begin(t.Context(), died); err != nil {
		t.Fatal(err)
	}
	first := b.run(OK)
	old, err := b.Show(t.Context(), died.ID)
	if err != nil || old.Result != Failed || old.Failure != FailedInterrupted {
		t.Errorf("Show() = %+v, %v, want a run that died", old, err)
	}
	kept, err := b.Show(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kept changes", len(kept.Changes), 1)
	equal(t, "kept counts", kept.Counts, first.Counts)
	equal(t, "kept phases", len(kept.Phases), len(first.Phases))
	for range keptRuns + 3 {
		b.run(OK)
	}
	list, err := b.List(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kept runs", len(list), keptRuns)
	equal(t, "kept whole", len(b.store.KV("sync/reports/corp").(*fakeKV).values), keptRuns)
	equal(t, "newest first", list[0].ID > list[1].ID, true)
	if list[0].Changes != nil || list[0].Errors != nil {
		t.Errorf("List() = %+v, want no lists in it", list[0])
	}
	if _, err := b.Show(t.Context(), first.ID); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Show(%q) = %v, want ErrNotFound", first.ID, err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := newBench(t).config
	for name, spoil := range map[string]func(*Config){
		"name":    func(c *Config) { c.Name = "Corp/1" },
		"source":  func(c *Config) { c.Source = nil },
		"policy":  func(c *Config) { c.Policy = Policy{} },
		"percent": func(c *Config) { c.Policy.Guard.Missing.Percent = 101 },
		"jitter":  func(c *Config) { c.Jitter = -1 },
		"mapped":  func(c *Config) { c.Source = &fakeSource{mapped: map[string][]string{"User": {"shoeSize"}}} },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New with a bad %s: no error", name)
		}
	}
}

func TestPlansAreMadeOneByOne(t *testing.T) {
	b := newBench(t, people(3)...)
	var reading, most atomic.Int32
	b.source.whenRead = func() {
		most.Store(max(most.Load(), reading.Add(1)))
		time.Sleep(2 * time.Millisecond)
		reading.Add(-1)
	}
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			if r, err := b.Plan(t.Context()); err != nil || r.Result != OK {
				t.Errorf("Plan() = %+v, %v", r, err)
			}
		})
	}
	wait.Wait()
	equal(t, "directories read at once", int(most.Load()), 1)

	b.planning <- struct{}{} // another's
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Plan(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("Plan() of who has gone = %v, want %v", err, context.Canceled)
	}
}
